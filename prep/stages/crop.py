"""Cut each picture: to an aspect ratio, around its subject, or into shots of each person."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prep.framing.focus import CENTRE, SALIENCY, SUBJECT
from prep.runtime.errors import ConfigError
from prep.runtime.text_files import file_name
from prep.stage import Derived, Failed, PersonsField, Rejected, Shape, param, stage

# What cuts is loaded where something is cut.
if TYPE_CHECKING:
    from prep.framing import framing_words
    from prep.framing.crops import Crop, Seen
    from prep.images.fitting import Resize

PICTURE, FACES, STAGES = "picture", "faces", "stages"
_SEEN = 768  # px; what is looked at for borders and saliency
_RULES = "framing.yaml"
_NOBODY_LOOKED = "nobody looked for faces yet: run `prep faces` on its folder first"


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    aspect_ratio: float = param(1.0, "width / height of the result", ge=0.01, le=100)
    min_side: int = param(256, "px; a picture whose crop is smaller is left out", ge=1, le=65536)
    cut: str = param(
        PICTURE,
        "picture, faces (each), or stages: full body, upper body and face of each person",
        later=True,
        choices=(PICTURE, FACES, STAGES),
    )
    ratios: str = param("", "several ratios, `3:4, 1, 4:3`: the one that loses least", later=True)
    focus: str = param(
        CENTRE,
        "where a crop lies: centre, saliency, or subject (by `prep faces`)",
        later=True,
        choices=(CENTRE, SALIENCY, SUBJECT),
    )
    trim: bool = param(False, "plain borders, bars and clear margins are cut away", later=True)
    level: bool = param(False, "turn it so that eyes that were found are level", later=True)
    face_scale: float = param(
        2.0, "side of a face crop for one of the face", later=True, ge=1, le=10
    )
    max_side: int = param(
        0, "px; larger crops are made smaller; 0: none is", later=True, ge=0, le=65536
    )
    upscale: bool = param(False, "enlarge crops that are smaller than min_side", later=True)
    framing: str = param("", "file of tags to add and drop by framing", file=True, later=True)


def models(params: Params) -> tuple[()]:
    """Return none: it needs no model. What cannot be done is told before any work."""
    if params.upscale and 0 < params.max_side < params.min_side:
        raise ConfigError(
            f"crops are enlarged to {params.min_side} px, and made smaller to {params.max_side}",
            "give a max_side that is no smaller than min_side",
        )
    return ()


def inputs_for(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what it reads: the picture, a person's own box, and faces where they count."""
    cut, focus = values.get("cut", PICTURE), values.get("focus", CENTRE)
    faces = cut != PICTURE or focus == SUBJECT or values.get("level", False)
    return ("image", "crop_box?", "faces?") if faces else ("image", "crop_box?")


def fit(params: Params, loaded: None, others: Mapping[str, Any]) -> "tuple[Resize, ...]":
    """Return how it sees the picture, where it looks at pixels at all."""
    from prep.images.fitting import AT_MOST, Resize

    looks = params.cut != PICTURE or params.focus != CENTRE or params.trim
    return (Resize(AT_MOST, "BOX", size=_SEEN),) if looks else ()


@stage(
    version=1,
    reads=("image", "crop_box?", "faces?"),
    writes="pictures",
    params=Params,
    done="cut",
    shape=Shape.FAN_OUT,
    inputs_for=inputs_for,
    models=models,
    fit=fit,
    fields=(PersonsField("crop_box"),),
    about={_RULES: "tags by framing: read where `crop` in pipelines.yaml names it"},
)
def crop(row: Mapping[str, Any], params: Params) -> list[Derived] | Rejected | Failed:
    """Cut pictures to one aspect ratio, or around their faces, into another folder.

    A crop keeps the picture's own scale. When an odd number of pixels is cut away around the
    middle, the extra one comes off the right or the bottom. The `crop_box` of a person, text
    `left,top,right,bottom` in px, is what is cut, whatever else is asked.
    """
    from prep.framing import crops
    from prep.framing.crops import Crop, Seen

    image, words = row["image"], row["crop_box"]
    size = image.size
    if words:
        box = crops.persons_box(str(words), size)
        if isinstance(box, str):
            return Failed(box, "write it as `10,20,300,400`, or remove it")
        return _derived([Crop("crop", box)], size, image, params)
    if "faces" in row and row["faces"] is None:
        return Rejected(_NOBODY_LOOKED)
    seen = Seen(size, getattr(image, "small", None), row.get("faces") or ())
    found = _wanted(seen, params)
    if params.level:
        found = [crops.levelled(one, seen) for one in found]
    return _derived(found, size, image, params) if found else Rejected("no face was found in it")


def _wanted(seen: "Seen", params: Params) -> "list[Crop]":
    """Return what is to be cut out of a picture."""
    from prep.framing import crops
    from prep.framing.ratios import ratios_of

    listed = ratios_of(params.ratios)
    usual = listed or (params.aspect_ratio,)
    if params.cut == FACES:
        return list(crops.of_faces(seen, usual, params.face_scale))
    if params.cut == STAGES:
        return list(crops.of_stages(seen, listed, params.face_scale))
    return [crops.of_picture(seen, usual, params.focus, trimmed=params.trim)]


def _derived(
    found: "list[Crop]", size: tuple[int, int], image: Any, params: Params
) -> list[Derived] | Rejected:
    """Return the crops that are large enough, or why none is."""
    from prep.framing import framing_words

    table = framing_words.table(params.framing, file_name(params.framing, _RULES))
    made = []
    for one in found:
        if min(one.size()) >= params.min_side or params.upscale:
            made.append(_one(one, image, params, table))
    if made:
        return [_shared(one, len(made)) for one in made]
    width, height = max((one.size() for one in found), key=min)
    return Rejected(f"its crop is {width}x{height} px, min_side is {params.min_side}")


def _shared(one: Derived, count: int) -> Derived:
    """Return one of several crops of a picture: together they weigh as much as one alone."""
    return one if count == 1 else replace(one, about={**one.about, "share": 1 / count})


def _one(one: "Crop", image: Any, params: Params, table: "framing_words.Table") -> Derived:
    size = _end_size(one.size(), params)
    if one.size() == image.size:  # it shows all that its picture shows: all words stay true
        one = replace(one, framing="")
    plain = not (one.degrees or one.framing or one.detector or size != one.size())
    if plain:  # as every version has cut it
        return Derived(one.name, image.crop(one.box), one.box)
    about: dict[str, Any] = {"part": one.framing, "detector": one.detector}
    if one.framing:
        add, drop = table[one.framing]
        about["words"] = {"add": list(add), "drop": list(drop)}
    told = {name: value for name, value in about.items() if value}
    return Derived(one.name, None, one.box, steps=one.steps(size), about=told)


def _end_size(size: tuple[int, int], params: Params) -> tuple[int, int]:
    """Return the (width, height) px that a crop is written at."""
    ratio = 1.0
    if params.max_side and max(size) > params.max_side:
        ratio = params.max_side / max(size)
    elif min(size) < params.min_side:
        ratio = params.min_side / min(size)
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))
