"""The most probable rating of each picture: what the sheet's column says until a person does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.models.locate import FoundModel
from prep.stage import param, stage
from prep.tagging.scoring import labels_of, scores_for
from prep.tags import tag_text as text_of_tags
from tagger_models.scores import columns


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", model=True)
    second: str = param("", "a second tagger, to combine with the first", path=True)


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return index -> tag of the ratings among the tagger's labels."""
    from tagger_models.vocabulary import vocabulary

    labels = vocabulary(params.model, params.second, found)[0]
    each = ((index, label) for index, label in enumerate(labels) if label.category == "rating")
    return {index: text_of_tags.spaced(label.name) for index, label in each}


@stage(
    version=1,
    reads=("scores", "combined_scores?"),
    writes="rating",
    params=Params,
    done="",
    shown=lambda found: f"rating {found}",
    commands=("tag",),
    models=labels_of,
    load=load,
    inputs_for=scores_for,
)
def rating(row: Mapping[str, bytes], params: Params, ratings: Mapping[int, str]) -> str:
    """Name the most probable rating, for tags.csv; equal scores keep label order."""
    (scores,) = row.values()
    ids, values = columns(scores)
    each = zip(ids.tolist(), values.tolist(), strict=True)
    found = [(-value, index) for index, value in each if index in ratings]
    return ratings[min(found)[1]] if found else ""
