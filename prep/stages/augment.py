"""Add variants to the originals: mirrored ones, and such as chance makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.runtime.errors import ConfigError
from prep.runtime.seeds import MOST_SEED, seed_for
from prep.stage import Derived, Shape, param, stage

_TEXT = "text"  # the kind of finding of `prep check` that no mirror leaves readable
_LIST = "one_sided.txt"


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    flip: bool = param(True, "add each picture mirrored, but for one-sided ones")
    variants: int = param(0, "further variants of each picture", ge=0, le=100, later=True)
    zoom: float = param(
        0.1, "largest part of each side that a variant loses", ge=0, le=0.9, later=True
    )
    turn: float = param(
        2.0, "degrees by which a variant is turned at most", ge=0, le=45, later=True
    )
    colour: float = param(
        0.2, "how far its light and colours move, in linear light", ge=0, le=1, later=True
    )
    background: str = param(
        "", "behind what is transparent: random, gradient, or colours with commas", later=True
    )
    one_sided: str = param(
        "", "file of further tags, one a line, whose pictures are not mirrored",
        file=True, later=True,
    )  # fmt: skip
    seed: int = param(0, "draws other variants", ge=0, le=MOST_SEED, later=True)


def models(params: Params) -> tuple[()]:
    """Return none: it needs no model. What cannot be done is told before any work."""
    from prep.images import variation

    variation.backgrounds(params.background)
    moves = params.zoom or params.turn or params.colour or params.background
    if params.variants and not moves:
        raise ConfigError(
            "the variants of a picture would all be the same",
            "let zoom, turn, colour or background move something",
        )
    return ()


def _reads(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what it reads: the words of a picture only where it may be mirrored."""
    words = ("tags?", "caption?", "notes?", "checks?")
    key = ("key",) if values.get("variants") else ()
    return ("image", *key, *(words if values.get("flip", True) else ()))


@stage(
    version=1,
    reads=("image", "key", "tags?", "caption?", "notes?", "checks?"),
    writes="pictures",
    params=Params,
    done="copied",
    shape=Shape.FAN_OUT,
    inputs_for=_reads,
    models=models,
    about={_LIST: "tags of one-sided things: read where `augment` in pipelines.yaml names it"},
)
def augment(row: Mapping[str, Any], params: Params) -> list[Derived]:
    """Copy pictures into another folder, with variants of each beside it.

    The originals are copied byte for byte. All pictures that come from one weigh together as much
    as those from any other one.
    """
    image = row["image"]
    box = (0, 0, *image.size)
    why = _one_sided(row, params) if params.flip else ""
    made = [Derived("", None, box)]
    if params.flip and not why:
        made.append(Derived("flip", _mirrored(image), box, flip=True))
    mirror = params.flip and not why
    made += [_variant(row, params, number, mirror) for number in range(1, params.variants + 1)]
    most = 1 + params.flip + params.variants
    about: dict[str, Any] = {"unmirrored": why} if why else {}
    about |= {"share": most / len(made)} if most != len(made) else {}
    return [_told(one, about) for one in made]


def _one_sided(row: Mapping[str, Any], params: Params) -> str:
    """Return why a picture must not be mirrored; empty where nothing says so."""
    from prep.tags.one_sided import ONE_SIDED, one_sided

    more = tuple(
        line.strip().replace("_", " ").lower()
        for line in str(params.one_sided).splitlines()
        if line.strip()
    )
    why = one_sided(
        row.get("tags") or (),
        row.get("caption") or "", row.get("notes") or "", (*ONE_SIDED, *more),
    )  # fmt: skip
    found: Sequence[Mapping[str, Any]] = row.get("checks") or ()
    written = any(one["kind"] == _TEXT for one in found)
    return why or ("writing was found in it" if written else "")


def _variant(row: Mapping[str, Any], params: Params, number: int, mirror: bool) -> Derived:
    from prep.images import variation

    wish = variation.VariationLimits(
        params.zoom, params.turn, params.colour, mirror, variation.backgrounds(params.background)
    )
    seed = seed_for(params.seed, "variant", row["key"], number)
    found = variation.variant(row["image"].size, seed, wish)
    return Derived(f"v{number}", None, found.box, flip=found.flip, steps=found.steps)


def _mirrored(image: Any) -> Any:
    from PIL import ImageOps

    return ImageOps.mirror(image)


def _told(one: Derived, about: Mapping[str, Any]) -> Derived:
    from dataclasses import replace

    return replace(one, about=about) if about else one
