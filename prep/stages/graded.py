"""What the tagger saw in each picture, for a person: the labels with some probability, by category.

Scores are kept for every label above a hundredth; this is the part that the review sheet shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.models.locate import Ask, FoundModel
from prep.stage import param, stage
from prep.tagging.scoring import scores_for
from prep.tags import tag_text as text_of_tags
from tagger_models.scores import columns

# Least probability that is shown, but for ratings, which all are.
_LEAST = 0.1


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", model=True)
    second: str = param("", "a second tagger, to combine with the first", path=True)
    underscores: bool = param(False, "leave labels their underscores")
    emoticons: str = param("", "further labels that keep their underscores, as `^_^` does")


def models(params: Params) -> tuple[Ask, ...]:
    """Return where the tagger's labels are: all that this reads of a model."""
    from tagger_models.vocabulary import asks

    return asks(params.model, params.second)


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return category and tag of each of the tagger's labels, in their order."""
    from tagger_models.vocabulary import vocabulary

    faces = text_of_tags.KAOMOJI.union(text_of_tags.parsed(params.emoticons))
    return [
        (
            label.category,
            text_of_tags.canonical(label.name)
            if params.underscores
            else text_of_tags.spaced(label.name, faces),
        )
        for label in vocabulary(params.model, params.second, found)[0]
    ]


@stage(
    version=1,
    reads=("scores", "combined_scores?"),
    writes="graded",
    params=Params,
    done="",
    shown=None,
    commands=("tag",),
    models=models,
    load=load,
    inputs_for=scores_for,
)
def graded(row: Mapping[str, bytes], params: Params, labels: Any) -> dict[str, list[list[Any]]]:
    """Note what the tagger saw in each category, for tags.xlsx; at least 0.1, all ratings.

    Returns:
        Category -> [tag, probability to three decimals] pairs, the most probable first; equal
        scores keep label order.
    """
    (scores,) = row.values()
    found: dict[str, list[list[Any]]] = {}
    ids, values = columns(scores)
    each = zip(ids.tolist(), values.tolist(), strict=True)
    shown = [
        (-value, index) for index, value in each if value >= _LEAST or labels[index][0] == "rating"
    ]
    for value, index in sorted(shown):
        category, tag = labels[index]
        found.setdefault(category, []).append([tag, round(-value, 3)])
    return found
