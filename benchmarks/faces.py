"""What `prep faces` finds, and how many faces are whole in the buckets' crops.

`python -m benchmarks.faces --shared ../shared/data --out faces.json`; `--seed N` for the draw of an
earlier run.

sprites   the anime cascade beside the oracle's boxes, and what a second detector adds (nudenet)
photos    faces that are told of ../shared's photographs, which show none
sprites in pictures
          one or two sprites, their faces anywhere up to the edges of backgrounds of every shape,
          put together fresh: how many of all faces `anime-face` finds, and how many are whole in
          the bucket's crop, with a centred crop's beside it; with the usual buckets of 512 px,
          and with few (sides of 448 to 640 px). `known`: were every face found
drawn     the same of mascots, one to three a picture, of which every face is known
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from prep.framing.people import must_stay
from prep.images import buckets
from prep.images.picture_file import opened
from prep.images.placement import num_whole
from prep.models.locate import Models
from prep.runtime.errors import UserError
from tagger_models.detectors.detected_box import area, shared
from tagger_models.detectors.detection import Detection, open_detection
from tagger_models.detectors.known_detectors import asks
from tinyworld.backgrounds import draw_background
from tinyworld.draw import cut_out, face_box
from tinyworld.world import BACKGROUNDS, random_scene

LEAST_WHOLE = 0.95
_MANY = 400
_SLACK = 0.06  # of a face's side by which a box may be off, and the face still be whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write JSON; return 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        models = Models(Path(home), offline=True)
        told = {"seed": given.seed, **_sprites(given.shared, models)}
        told |= _placed(given.shared, given.seed, models)
        told |= _whole("drawn", _scenes(given.seed), None)
    for name, value in told.items():
        print(f"{name:<44} {value}")
    if given.out:
        given.out.write_text(json.dumps(told, indent=1))
    kept = all(told[name] >= LEAST_WHOLE for name in told if name.endswith("whole, faces known"))
    return 0 if kept and told.get("sprites: boxes like the oracle's", 1) == 1 else 1


def _detection(listed: str, models: Models) -> Detection:
    found = [models.find(ask) for ask in asks(listed)]
    return open_detection(listed, found, 0.0, "cpu", 0)


def _sprites(top: Path, models: Models) -> dict[str, Any]:
    """Return what is found of sprites and photographs; nothing where they are not here."""
    cascade = top / "lbpcascade-animeface" / "lbpcascade_animeface.xml"
    if not cascade.exists():
        return {"sprites": f"none in {top}"}
    wanted = json.loads((top / "renpy-sprites" / "expected_faces.json").read_text())["faces"]
    images = {name: opened(top / "renpy-sprites" / name).image for name in wanted}
    first = {n: _faces(_detection(str(cascade), models), image) for n, image in images.items()}
    oracle = {
        name: [[left, top, left + width, top + height] for left, top, width, height in boxes]
        for name, boxes in wanted.items()
    }
    sprites = [name for name in wanted if name.endswith(".png")]
    told: dict[str, Any] = {
        "sprites: boxes like the oracle's": sum(first[n] == oracle[n] for n in wanted)
        / len(wanted),
        "sprites: with a face, anime-face": f"{sum(map(bool, map(first.get, sprites)))} of 13",
    }
    photos = [opened(path).image for path in sorted((top / "photos").glob("*/*.jpg"))]
    try:
        both = _detection(f"{cascade},nudenet", models)
    except UserError as error:
        return told | {"sprites: with nudenet": str(error)}
    second = {name: _faces(both, image) for name, image in images.items()}
    told["sprites: with a face, and nudenet"] = f"{sum(map(bool, map(second.get, sprites)))} of 13"
    told["backgrounds: faces told, of 2"] = sum(
        len(second[name]) for name in wanted if name not in sprites
    )
    told[f"photographs: faces told, of {len(photos)}"] = sum(len(_faces(both, p)) for p in photos)
    return told


def _faces(detection: Detection, image: Image.Image) -> list[list[int]]:
    return [one["box"] for one in detection.found(image, image.size) if one["kind"] == "face"]


def _placed(top: Path, seed: int, models: Models) -> dict[str, Any]:
    """Return how many faces of sprites, put into pictures, are found, and whole in buckets."""
    cascade = top / "lbpcascade-animeface" / "lbpcascade_animeface.xml"
    if not cascade.exists():
        return {}
    detection = _detection(str(cascade), models)
    return _whole("sprites in pictures", _with_sprites(top / "renpy-sprites", seed), detection)


def _whole(
    name: str,
    pictures: Iterator[tuple[Image.Image, list[list[float]]]],
    detection: Detection | None,
) -> dict[str, Any]:
    """Return how many faces are found, and whole in the buckets' crops, in three ways."""
    tables = {"usual": buckets.table(512), "few": buckets.table(512, 448, 640)}
    ways = ("centred", "faces found", "faces known") if detection else ("centred", "faces known")
    whole = {(side, how): 0 for side in tables for how in ways}
    truths = found = 0
    for image, faces in pictures:
        told = detection.found(image, image.size) if detection else []
        truths += len(faces)
        found += sum(any(_same(face, one["box"]) for one in told) for face in faces)
        known = [{"box": face, "kind": "face"} for face in faces]
        for (side, how), _ in whole.items():
            boxes = {"centred": [], "faces found": told, "faces known": known}[how]
            keep = must_stay(boxes, image.size)
            fit = buckets.fitted(image.size, tables[side], 0.5, True, keep)
            if not isinstance(fit, str):
                scaled = [_scaled(face, image.size, fit.size) for face in faces]
                whole[side, how] += num_whole(fit.crop, scaled)
    figures = {f"{name}: faces found, of {truths}": round(found / truths, 4)} if detection else {}
    for (side, how), count in whole.items():
        figures[f"{name}, {side} buckets: whole, {how}"] = round(count / truths, 4)
    return figures


def _with_sprites(folder: Path, seed: int) -> Iterator[tuple[Image.Image, list[list[float]]]]:
    """Yield backgrounds with one or two sprites, their faces anywhere up to the edges."""
    told = json.loads((folder / "expected_faces.json").read_text())["faces"]
    sprites = [(Image.open(folder / name), boxes[0]) for name, boxes in told.items() if boxes]
    grounds = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.jpg"))]
    dice = random.Random(f"sprites:{seed}")
    for _ in range(_MANY // 2):
        size = (dice.randint(512, 1200), dice.randint(512, 1200))
        image = dice.choice(grounds).resize(size)
        faces: list[list[float]] = []
        for _ in range(dice.choice((1, 1, 2))):
            sprite, (left, top, width, height) = dice.choice(sprites)
            share = dice.uniform(0.5, 1.2)
            small = sprite.resize((round(sprite.width * share), round(sprite.height * share)))
            face = [side * share for side in (left, top, left + width, top + height)]
            x = dice.randint(-int(face[0]), size[0] - 1 - int(face[2]))
            y = dice.randint(-int(face[1]), size[1] - 1 - int(face[3]))
            box = [face[0] + x, face[1] + y, face[2] + x, face[3] + y]
            if not faces or x > faces[0][2] or x + small.width < faces[0][0]:
                image.paste(small, (x, y), small)
                faces.append(box)
        yield image, faces


def _scenes(seed: int) -> Iterator[tuple[Image.Image, list[list[float]]]]:
    """Yield pictures of every shape with mascots somewhere in them, and where their faces are."""
    from PIL import ImageDraw

    dice = random.Random(f"faces:{seed}")
    for number in range(_MANY):
        size = (dice.randint(512, 1400), dice.randint(512, 1400))
        image = Image.new("RGB", size)
        draw_background(ImageDraw.Draw(image), size, dice.choice(BACKGROUNDS), dice)
        faces: list[list[float]] = []
        for place in range(dice.choice((1, 1, 1, 2, 3))):
            own = seed * 10_000 + number * 4 + place
            side = dice.randint(min(size) // 3, min(size))
            scene = replace(random_scene(own), framing="full_body", size=(side, side))
            mascot, face = cut_out(scene, own), face_box(scene, own)
            left = dice.randint(-int(face[0]), size[0] - 1 - int(face[2]))
            top = dice.randint(-int(face[1]), size[1] - 1 - int(face[3]))
            box = [face[0] + left, face[1] + top, face[2] + left, face[3] + top]
            if any(shared(box, other) > 0 for other in faces):
                continue
            image.paste(mascot, (left, top), mascot)
            faces.append(box)
        yield image, faces


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    common = shared(one, other)
    return common > 0.5 * (area(one) + area(other) - common)


def _scaled(box: Sequence[float], size: Sequence[int], to: Sequence[int]) -> list[float]:
    """Return a face in px of the resized picture, less what a box of it may be off."""
    across, down = to[0] / size[0], to[1] / size[1]
    slack = _SLACK * (box[2] - box[0])
    return [
        (box[0] + slack) * across,
        (box[1] + slack) * down,
        (box[2] - slack) * across,
        (box[3] - slack) * down,
    ]


if __name__ == "__main__":
    sys.exit(main())
