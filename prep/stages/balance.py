"""What the pictures of a set have too much of: framing, angle, background, expression."""

from collections.abc import Mapping, Sequence
from typing import Any

from prep.stage import NoParams, Shape, stage


def remark(rows: Mapping[str, Any]) -> str:
    """Return in what each concept is one-sided; empty for in nothing."""
    from prep.quality.aspects import one_sided

    concepts: dict[str, list[Mapping[str, str]]] = {}
    for row in rows.values():
        if row is not None:
            concepts.setdefault(row["concept"], []).append(row["aspects"])
    told = [
        f"{f'`{concept}`, ' if concept else ''}{sentence}"
        for concept, pictures in sorted(concepts.items())
        for sentence in one_sided(pictures)
    ]
    return f"one-sided: {'. '.join(told)}" if told else ""


def shown(row: Any) -> str:
    """Return what the tags of a picture say of each aspect."""
    found = row["aspects"] if row else {}
    return ", ".join(f"{aspect} {value}" for aspect, value in found.items())


@stage(
    version=1,
    reads=("tags?", "concept?", "key"),
    writes="balance",
    done="",
    remark=remark,
    shown=shown,
    shape=Shape.DECISION,
    commands=("check",),
)
def balance(
    samples: Mapping[str, tuple[Sequence[str] | None, str | None, str]], params: NoParams
) -> dict[str, dict[str, Any] | None]:
    """Tell what a set has too much of, by its tags: framing, angle, background, expression.

    For each key its `concept` and `aspects`, what its tags say of each; None for one without tags.
    """
    from prep.dataset.concepts import concept_of
    from prep.quality.aspects import aspects

    return {
        key: {"concept": concept or concept_of(name).name, "aspects": aspects(tags)}
        if tags
        else None
        for key, (tags, concept, name) in samples.items()
    }
