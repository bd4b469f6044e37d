"""Turn scores into tags: thresholds, order, text. No inference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.models.locate import FoundModel
from prep.stage import param, stage
from prep.tagging.cuts import CUTS
from prep.tagging.rendering import SERIES, Style, checked_order, renderer
from prep.tagging.scoring import labels_of, scores_for
from prep.tagging.thresholds import chosen
from prep.tags import tag_text as text_of_tags


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept. A threshold of 0 is the tagger's own."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", model=True)
    second: str = param("", "a second tagger, to combine with the first", path=True)
    threshold: float = param(
        0.0, "least probability of a general tag; 0: the tagger's own", ge=0, le=1
    )
    character_threshold: float = param(
        0.0, "least probability of a character tag; 0: the tagger's own", ge=0, le=1
    )
    thresholds: str = param("", "those of single tags or other categories: `smile=0.6, meta=0.4`")
    cut: str = param(
        "threshold",
        "threshold, or mcut: each picture's widest gap, in place of a category's threshold",
        choices=CUTS,
    )
    most: int = param(
        0, "most tags of a picture, the most probable; 0: any number", ge=0, le=10_000
    )
    rating: bool = param(False, "add the most probable rating as a tag")
    rating_threshold: float = param(
        0.0, "least probability of that rating, else it is left out", ge=0, le=1
    )
    order: str = param(", ".join(text_of_tags.BLOCKS), "blocks of tags in their order")
    series: str = param(
        "no",
        "add the series of a character: no, known (by the tagger's labels) or name (else by the "
        "brackets in its name)",
        choices=SERIES,
    )
    underscores: bool = param(False, "leave labels their underscores")
    emoticons: str = param("", "further labels that keep their underscores, as `^_^` does")


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return a function from scores to tags, made for the tagger's labels."""
    from tagger_models.vocabulary import vocabulary

    labels, own = vocabulary(params.model, params.second, found)
    asked = {"general": params.threshold, "character": params.character_threshold}
    limits = chosen(labels, own, asked, params.thresholds)
    style = Style(
        thresholds=limits.of_categories,
        of_labels=limits.of_labels,
        cut=params.cut,
        most=params.most,
        rating=params.rating,
        rating_least=params.rating_threshold,
        order=checked_order(params.order),
        underscores=params.underscores,
        faces=text_of_tags.KAOMOJI.union(text_of_tags.parsed(params.emoticons)),
        series=params.series,
    )
    return renderer(labels, style)


@stage(
    version=2,
    reads=("scores", "combined_scores?"),
    writes="tags",
    params=Params,
    done="",
    commands=("tag",),
    models=labels_of,
    load=load,
    inputs_for=scores_for,
)
def render(row: Mapping[str, bytes], params: Params, rendered: Any) -> list[str]:
    """Turn scores into tags; a changed threshold costs no inference.

    Tags come block by block, the most probable first; equal scores keep label order.
    """
    (scores,) = row.values()
    found: list[str] = rendered(scores)
    return found
