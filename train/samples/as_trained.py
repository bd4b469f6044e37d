"""What files say of how they were trained, and are drawn: layer of the text encoder, prediction."""

import re
from dataclasses import replace
from pathlib import Path

from prep.runtime.errors import ModelFileError
from train.families.detect import check_clip_skip
from train.families.diffusion_process import PREDICTIONS, predicting
from train.families.family import Base
from train.families.file_marks import is_told
from train.samples.subject import Subject


def chosen_layer(subject: Subject, wish: int | None) -> tuple[int, list[str]]:
    """Return the clip skip to draw with, and what a person should know of it.

    Args:
        wish: What the person asked for; None for the one in the first file, which is 1 where it has
            none.

    Raises:
        ModelFileError: What stands in the file is no layer's number, and the person named none.
    """
    each = [told.get("ss_clip_skip", "") for told in subject.metadata]
    said, *others = ["1" if one in ("", "None") else one for one in each]
    known = re.fullmatch("[1-9][0-9]{0,3}", said) is not None
    if wish is None and not known:
        raise ModelFileError(
            f"the clip skip of `{subject.first}` is `{said[:40]}`, which is not the number of a "
            "layer",
            "say which layer to draw it with, from the end: `--clip-skip 1`",
        )
    if wish is not None:
        other = f"; it was trained with {said}" if known and wish != int(said) else ""
        return wish, [f"clip skip {wish}, as you asked{other}"]
    notes = [f"clip skip {said}, as it was trained"] if said != "1" else []
    for (path, _), one in zip(subject.loras[1:], others, strict=True):
        if one != said:
            notes.append(f"`{path.name}` was trained with clip skip {one[:40]}; {said} is used")
    return int(said), notes


def check_layer(subject: Subject, layer: int, layers: int, wish: int | None, base: str) -> None:
    """Raise where the text encoder of a base model has not so many layers; 0: it is not known."""
    if wish is None and 0 < layers < layer:
        raise ModelFileError(
            f"the clip skip of `{subject.first}` is {layer}, and the text encoder of `{base}` "
            f"has {layers} layers",
            "name the base model that it was made for: `--base`, or a layer: `--clip-skip`",
        )
    check_clip_skip(layer, layers, base)


def as_trained(subject: Subject, base: Base, place: Path) -> tuple[Base, list[str]]:
    """Return the base model as it was when the first LoRA was trained, and what to know of it.

    What a base model in one file predicts may have been said by a person then.
    """
    notes: list[str] = []
    told = place.is_dir() or is_told(place)
    for number, (path, _) in enumerate(subject.loras):
        said = subject.metadata[number].get("modelspec.prediction_type", "")
        found = predicting(base.process, said if said in PREDICTIONS else None)
        if found.prediction is base.process.prediction:
            continue
        if told or number:
            differ = f"`{path.name}` was trained for a base model of another prediction ({said})"
            notes.append(f"{differ}: what is drawn says little")
        else:
            base = replace(base, process=found)
            notes.append(f"prediction {said}, as it was trained")
    return base, notes
