"""The tags of each picture as a text file beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from prep.stage import PersonsField, Shape, param, stage
from prep.tags import tag_text as text_of_tags


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    escape: bool = param(False, "write a backslash before parentheses, as prompts need it")


@stage(
    version=1,
    reads=("tags",),
    writes="tags",
    params=Params,
    done="written",
    shape=Shape.SIDECAR,
    commands=("tag",),
    fields=(PersonsField("tags", ".txt"),),
)
def tags_sidecar(tags: Sequence[str], params: Params) -> str:
    """Publish tags as x.txt; a file you wrote or edited is kept and used."""
    return text_of_tags.joined(tags, params.escape)
