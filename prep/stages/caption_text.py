"""The caption in a captioner's answer: no inference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.stage import Failed, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    start: str = param("", "what every caption begins with; put before it where it does not")
    forbid: str = param("", "words that no caption may have, with commas between them")


@stage(
    version=2,
    reads=("answer",),
    writes="caption",
    params=Params,
    done="",
    commands=("caption",),
    superseded_by="caption",
)
def caption_text(answer: Mapping[str, Any], params: Params) -> str | Failed:
    """Clean the captioner's answer up; a refusal or an empty one is told, never written."""
    from prep.runtime.text_files import without_controls
    from tagger_models.captioners.captioner import End, Reply, Trouble
    from tagger_models.captioners.cleanup import cleaned, forbidden

    said = Reply(without_controls(answer["text"]), End(answer["end"]))
    found = cleaned(said, without_controls(params.start), forbidden(params.forbid))
    return Failed(found.why, found.hint) if isinstance(found, Trouble) else found
