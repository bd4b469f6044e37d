"""How well the tiny world's VAE, base model and a LoRA of its mascot paint, judged by classifiers.

Used by `benchmarks.tiny_world`. Everything goes through the ordinary code; scenes, prompts and
noise have seeds that no model was trained on.
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import vae
from tinyworld.draw import draw
from tinyworld.words import attribute_tags, attribute_values, caption, look_tags
from tinyworld.world import MASCOT, Scene, random_scene
from train.adapters import applied
from train.families.sd15 import FAMILY
from train.samples import sampler
from train.samples.prompts import Prompt

if TYPE_CHECKING:
    from PIL import Image

    from train.families.family import Base

# A classifier's answer: attribute -> tag, for each picture.
Judge = Callable[[Sequence["Image.Image"]], list[dict[str, str]]]

FRESH = 50_000_000  # seeds from here on were never trained on
STEPS, GUIDANCE = 20, 4.0
SEEN_PLACES = ("meadow", "night", "beach", "snow")


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        error: Standard error.
        wanted: Bound that it has to keep, or None; `most`: whether it must not be above.
    """

    name: str
    value: float
    error: float
    wanted: float | None = None
    most: bool = False

    def kept(self) -> bool:
        """Return whether the bound is kept, where there is one."""
        if self.wanted is None:
            return True
        return self.value <= self.wanted if self.most else self.value >= self.wanted


def share(
    name: str, hits: Iterable[bool], wanted: float | None = None, most: bool = False
) -> Figure:
    """Return how often something is so, with the standard error of a share."""
    each = list(hits)
    value = sum(each) / len(each)
    return Figure(name, value, math.sqrt(value * (1 - value) / len(each)), wanted, most)


def vae_figures(place: Path, count: int = 128) -> list[Figure]:
    """Return the VAE's PSNR in dB over fresh pictures, and over held-out combinations."""
    import numpy as np

    coder = vae.open_vae(place, "cpu")
    found = []
    for words, unseen in (("fresh", False), ("held-out", True)):
        scores = []
        for seed in range(FRESH, FRESH + count):
            picture = draw(random_scene(seed, unseen), seed)
            latents = vae.encode(coder, [picture])[0]
            assert latents is not None
            again = sampler.decoded(coder, latents.mean[None] * coder.config.scaling_factor)
            off = np.asarray(picture, np.float64) - np.asarray(again, np.float64)
            scores.append(10 * math.log10(255**2 / (off**2).mean()))
        error = float(np.std(scores) / math.sqrt(count))
        wanted = None if unseen else 26.0
        found.append(Figure(f"VAE, {words} pictures, dB", float(np.mean(scores)), error, wanted))
    return found


def painted(base: "Base", coder: Any, prompts: Sequence[Prompt]) -> "list[Image.Image]":
    """Return the picture of each prompt."""
    return [sampler.draw(base, FAMILY, coder, prompt) for prompt in prompts]


def prompts_of(texts: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Prompt]:
    """Return prompts with a seed each; sizes are (width, height)."""
    return [
        Prompt(text, "", *size, FRESH + n, STEPS, GUIDANCE)
        for n, (text, size) in enumerate(zip(texts, sizes, strict=True))
    ]


def base_figures(place: Path, judges: Mapping[str, Judge], count: int = 128) -> list[Figure]:
    """Return how often prompts that name held-out combinations are obeyed, by each judge."""
    scenes = scenes_asked(count, unseen=True)
    prompts = prompts_of([caption(scene) for scene in scenes], [scene.size for scene in scenes])
    pictures = painted(FAMILY.load(place, "cpu"), vae.open_vae(place, "cpu"), prompts)
    found = []
    for name, judge in judges.items():
        hits = obeyed(scenes, judge(pictures))
        for attribute in attribute_values():
            right = [hit[attribute] for hit in hits]
            found.append(share(f"base, {attribute}, by {name}", right, 0.85))
        found.append(share(f"base, all five, by {name}", (all(h.values()) for h in hits), 0.5))
    return found


def held_out_sheet(place: Path, file: Path, across: int = 6, down: int = 4) -> None:
    """Draw held-out combinations, each with the words that were asked for below it."""
    from PIL import Image, ImageDraw, ImageFont

    side, margin, words = 128, 8, 42
    scenes = [
        replace(scene, size=(side, side)) for scene in scenes_asked(across * down, unseen=True)
    ]
    prompts = prompts_of([caption(scene) for scene in scenes], [scene.size for scene in scenes])
    pictures = painted(FAMILY.load(place, "cpu"), vae.open_vae(place, "cpu"), prompts)
    sheet = Image.new(
        "RGB", (across * (side + margin) + margin, down * (side + words + margin) + margin), "white"
    )
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for n, (scene, picture) in enumerate(zip(scenes, pictures, strict=True)):
        x = margin + n % across * (side + margin)
        y = margin + n // across * (side + words + margin)
        sheet.paste(picture, (x, y))
        look = scene.look
        hat, extra = look.hat.replace("_", " "), look.accessory
        told = f"{look.body}, {look.colour}\n{hat}, {extra}\n{scene.background}, {scene.pose}"
        pen.multiline_text((x, y + side + 1), told, "black", font, spacing=1)
    sheet.save(file)


def lora_figures(
    place: Path, lora: Path, trigger: str, judges: Mapping[str, Judge], count: int = 128
) -> list[Figure]:
    """Return what a LoRA of the mascot does with its trigger, without it, and in a new place."""
    base, coder = FAMILY.load(place, "cpu"), vae.open_vae(place, "cpu")
    called = prompts_of(*calls(trigger, SEEN_PLACES, count))
    abroad = prompts_of(*calls(trigger, ("studio",), count))
    scenes = scenes_asked(count, unseen=False)
    plain = prompts_of([caption(scene) for scene in scenes], [scene.size for scene in scenes])
    before = {"called": painted(base, coder, called), "plain": painted(base, coder, plain)}
    applied.set_strength(base, applied.add(lora, base, FAMILY), 1.0)
    found = []
    after = {
        "called": painted(base, coder, called),
        "abroad": painted(base, coder, abroad),
        "plain": painted(base, coder, plain),
    }
    for name, judge in judges.items():
        is_it = [is_mascot(seen) for seen in judge(after["called"])]
        was_it = [is_mascot(seen) for seen in judge(before["called"])]
        new = [all(h.values()) for h in obeyed(scenes, judge(after["plain"]))]
        old = [all(h.values()) for h in obeyed(scenes, judge(before["plain"]))]
        studio = [seen["background"] == "studio" for seen in judge(after["abroad"])]
        there = [is_mascot(seen) for seen in judge(after["abroad"])]
        lost = share("", old).value - share("", new).value
        error = math.hypot(share("", old).error, share("", new).error)
        found += [
            share(f"LoRA, mascot with its trigger, by {name}", is_it, 0.7),
            share(f"base, mascot with the trigger, by {name}", was_it, 0.1, most=True),
            Figure(f"LoRA, lost without the trigger, by {name}", lost, error, 0.1, most=True),
            share(f"LoRA, new background obeyed, by {name}", studio, 0.5),
            share(f"LoRA, mascot in the new background, by {name}", there),
        ]
    return found


def obeyed(scenes: Sequence[Scene], seen: Sequence[Mapping[str, str]]) -> list[dict[str, bool]]:
    """Return, for each picture, which attributes are those of its scene."""
    return [
        {attribute: found[attribute] == tag for attribute, tag in attribute_tags(scene).items()}
        for scene, found in zip(scenes, seen, strict=True)
    ]


def is_mascot(seen: Mapping[str, str]) -> bool:
    """Return whether all four attributes of the mascot's look are found."""
    return all(seen[attribute] == tag for attribute, tag in look_tags(MASCOT).items())


def scenes_asked(count: int, unseen: bool) -> list[Scene]:
    """Return scenes that have all five attributes, with seeds of their own.

    Args:
        unseen: Whether they are combinations that no model was trained on.
    """
    found = (random_scene(seed, unseen) for seed in range(FRESH, FRESH + 2 * count))
    return [scene for scene in found if len(attribute_tags(scene)) == len(attribute_values())][
        :count
    ]


def calls(
    trigger: str, places: Sequence[str], count: int
) -> tuple[list[str], list[tuple[int, int]]]:
    """Return prompts with a trigger that say nothing of its looks, and their sizes."""
    dice = random.Random("called")
    texts, sizes = [], []
    for n in range(count):
        pose = dice.choice(("standing", "waving", "arms up", "jumping"))
        framing = dice.choice(("full body", "upper body"))
        texts.append(f"{trigger}, {pose}, {framing}, {places[n % len(places)]}")
        sizes.append(dice.choice(((128, 128), (96, 128))))
    return texts, sizes
