"""Words as they train: the rules applied to what the machine or a person wrote."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.edits import lookups
from prep.edits.record import PictureRecord
from prep.edits.rules import Rule, led, reads, ruled
from prep.models.locate import Ask, FoundModel
from prep.runtime.text_files import file_name
from prep.stage import param, stage
from prep.tags import aliases
from prep.tags.common_traits import PRUNE

IMPLIED = ("drop", "add")
_RULES = "tags.rules"


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    rules: str = param("", "file with a YAML list of rules: add, drop, rename, ...", file=True)
    trigger: str = param("", "word that calls the subject; in front of whatever trains")
    tagger: str = param("", "the tagger that scored, for filters that ask for `score:`", path=True)
    prune: float = param(0.0, PRUNE, ge=0, le=1)
    aliases: str = param("", "CSV file of a booru's aliases: its own words are used", file=True)
    implications: str = param("", "CSV file of what follows from which tag", file=True)
    implied: str = param("drop", "what becomes of tags that follow: drop, add", choices=IMPLIED)


@dataclass(frozen=True)
class _Opened:
    """What the params mean."""

    rules: tuple[Rule, ...]
    labels: tuple[str, ...]
    count: Callable[[str], int] | None
    known: aliases.Relations


def inputs_for(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the rules read: the tags, and what their filters ask for."""
    text = values.get("rules", "")  # of an old recipe, only the digest of the file is known
    needs = reads(_rules(text)) if isinstance(text, str) else frozenset[str]()
    more = [name for need, name in lookups.ARTIFACTS.items() if need in needs]
    pruned = ("pruned?",) if values.get("prune") else ()
    return ("tags?", *(f"{name}?" for name in more), *pruned, "lineage?")


def models(params: Params) -> tuple[Ask, ...]:
    """Return the tagger's labels, where a filter asks for scores."""
    return lookups.asks(reads(_rules(params.rules)), params.tagger)


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return the rules, and what their filters need; all mistakes of the file are told at once."""
    rules = _rules(params.rules)
    labels = lookups.tags_of_labels(params.tagger, found)
    count = lookups.token_counter(reads(rules))
    known = aliases.known(params.aliases, params.implications, params.implied == "add")
    return _Opened(rules, labels, count, known)


@stage(
    version=3,
    reads=("tags?", "caption?", "key?", "looks?", "scores?", "pruned?", "lineage?"),
    writes="training_words",
    params=Params,
    done="put through the rules",
    shown=None,
    models=models,
    load=load,
    inputs_for=inputs_for,
    about={_RULES: "a file of rules: read where `edit` in pipelines.yaml names it"},
)
def edit(row: Mapping[str, Any], params: Params, opened: _Opened) -> dict[str, Any]:
    """Apply the rules to tags and captions, and write the dataset file meta.json.

    What a crop does not show goes first, and traits that are pruned; then come aliases and
    implications, rules, and the trigger.

    Returns:
        `tags`: in training order; `caption`: where a rule changed it, else None; `unused`, where
        words were taken away: framing, rules, prune, implied or caption -> those words.
    """
    looks, caption = row.get("looks"), row.get("caption") or ""
    own, unseen = _framed(row["tags"], row.get("lineage"))
    pruned = row.get("pruned") or ()
    named = aliases.renamed((tag for tag in own if tag not in pruned), opened.known.aliases)
    before = PictureRecord(
        key=row.get("key") or "",
        tags=aliases.settled(named, opened.known),
        caption=caption,
        size=tuple(looks["size"]) if looks else None,
        scores=lookups.by_tag(row.get("scores"), opened.labels),
        count=opened.count,
    )
    done = ruled(before, opened.rules)
    after = done.picture
    unused = {
        "framing": unseen,
        "rules": done.taken,
        "prune": [tag for tag in own if tag in pruned and tag not in after.tags],
        "implied": [tag for tag in named if tag not in (*before.tags, *after.tags)],
        "caption": [done.caption] if done.caption else [],
    }
    found = {step: list(words) for step, words in unused.items() if words}
    made = {
        "tags": list(led(after.tags, params.trigger)),
        "caption": None if after.caption == caption else after.caption,
    }
    return made | ({"unused": found} if found else {})


def _framed(
    tags: Sequence[str] | None, lineage: Mapping[str, Any] | None
) -> tuple[Sequence[str], list[str]]:
    """Return tags as they fit the crop that a picture is, and those that do not."""
    words = (lineage or {}).get("words")
    if not (tags and words):
        return tags or (), []
    from prep.framing.framing_words import reframed

    return reframed(tags, words)


def _rules(text: str) -> tuple[Rule, ...]:
    from prep.edits import rules_file

    return rules_file.parse(text, file_name(text, _RULES)) if text.strip() else ()
