"""What the tagger saw in each picture, for a person: the labels with some probability, by category.

Scores are kept for every label above a hundredth; this is the part that the review sheet shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.models.locate import FoundModel
from prep.stage import param, stage
from prep.tagging.rendering import as_tag
from prep.tagging.scoring import labels_of, scores_for
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


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return category and tag of each of the tagger's labels, in their order."""
    from tagger_models.vocabulary import vocabulary

    faces = text_of_tags.KAOMOJI.union(text_of_tags.parsed(params.emoticons))
    labels = vocabulary(params.model, params.second, found)[0]
    return [(label.category, as_tag(label, params.underscores, faces)) for label in labels]


@stage(
    version=1,
    reads=("scores", "combined_scores?"),
    writes="graded",
    params=Params,
    done="",
    shown=None,
    commands=("tag",),
    models=labels_of,
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
