"""Tags as they train: the rules applied to what the tagger or a person wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prep import rules as tag_rules
from prep.stage import param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    rules: str = param("", "file with a YAML list of rules: add, drop, rename, first", file=True)
    trigger: str = param("", "word that calls the subject; kept first in every picture's tags")


def load(params: Params, found: tuple[Any, ...]) -> Any:
    """Return the rules; all mistakes of the file are told at once."""
    return tag_rules.parse(params.rules, "tags.rules") if params.rules.strip() else ()


@stage(version=1, reads=("tags?",), writes="training_tags", params=Params, load=load)
def edit(tags: Sequence[str] | None, params: Params, rules: Any) -> list[str]:
    """Apply the rules to the tags, and write the dataset file meta.json."""
    return list(tag_rules.applied(tags or (), rules, params.trigger))
