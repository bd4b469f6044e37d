"""Seeded trainings of the tiny world's mascot, and what their exports really draw.

Used by the benchmarks of what is done after a training. All randomness is of the seed; every
scene, prompt and noise is one that no model was trained on. What is done is kept, by its place.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import tiny_painting, tiny_reading
from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.models import vae, vae_files
from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from tinyworld.draw import draw
from tinyworld.words import caption, general_tags, look_tags
from tinyworld.world import MASCOT, POSES, Scene
from train.adapters import applied
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run.start import start
from train.samples import sampler, schedulers

if TYPE_CHECKING:
    from PIL import Image

    from train.families.family import Base

MODELS = Path(__file__).resolve().parents[1] / "tinyworld" / "models"
BASE, TAGGER = MODELS / "base", str(MODELS / "tagger")
TRIGGER, SIZE, PLACES = "lumi", (96, 128), ("meadow", "night", "beach", "snow")
_FRESH = 80_000_000  # seeds of drawings that no model was trained on
_BATCH, _STEPS, _GUIDANCE = 8, 6, 4.0


@dataclass(frozen=True)
class Shown:
    """A picture and what is said of it.

    Attributes:
        said: The scene that its tags are taken from; another one where the caption is wrong.
        without: Tags that are left out of them; `more`: that are added.
    """

    scene: Scene
    said: Scene
    without: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    def tags(self) -> tuple[str, ...]:
        """Return trigger and tags; those of the mascot's look are left to the trigger."""
        gone = {*look_tags(MASCOT).values(), "no_humans", "blush", *self.without}
        each = (tag for tag in (*general_tags(self.said), *self.more) if tag not in gone)
        return (TRIGGER, *(tag.replace("_", " ") for tag in each))


def scenes(dice: random.Random, count: int, framings: Sequence[str]) -> list[Scene]:
    """Return scenes of the mascot, each place as often as the others."""
    return [
        Scene(MASCOT, PLACES[n % len(PLACES)], dice.choice(POSES), dice.choice(framings), SIZE)
        for n in range(count)
    ]


def dataset(
    folder: Path, seed: int, trained: Sequence[Shown], held_out: Sequence[Shown] = ()
) -> Path:
    """Write pictures and a dataset with their latents, if it is not there; return its file."""
    meta = folder / "meta_lat.json"
    if meta.exists():
        return meta
    coder, state = vae.open_vae(BASE, "cpu"), folder / "images" / ".prep"
    samples: dict[str, Sample] = {}
    for number, one in enumerate((*trained, *held_out)):
        picture = draw(one.scene, _FRESH + 1000 * seed + number)
        latents = vae.encode(coder, [picture])[0]
        assert latents is not None
        files.write(state / f"latents/{number}.safetensors", vae.dump(latents))
        place = folder / "images" / f"{number:02d}.png"
        picture.save(place)
        samples[place.name] = Sample(
            digest=files.digest(place), original_size=SIZE, tags=one.tags(), bucket=SIZE,
            latents=f"latents/{number}.safetensors",
            split="train" if number < len(trained) else "validation",
        )  # fmt: skip
    found = Dataset(
        root="images", state="images/.prep", samples=samples, base=str(BASE),
        concepts={"": Concept(trigger=TRIGGER)}, vae=vae_files.numbers(BASE, "tiny"),
    )  # fmt: skip
    files.write(meta, dataset_file.dump(found))
    return meta


def trained(meta: Path, seed: int, **settings: Any) -> Path:
    """Train a LoRA, or find it trained; return its file."""
    config = config_of(
        "lora", batch=4, seed=seed, text_encoder=True, device="cpu", out=meta.parent / "runs",
        **settings,
    )  # fmt: skip
    return start([meta], config, Models(meta.parent / "home", offline=True), Console(level=0))


def opened(export: Path | None) -> "Base":
    """Return the tiny base model with a LoRA; alone without one."""
    base = FAMILY.load(BASE, "cpu")
    if export is not None:
        applied.set_strength(base, applied.add(export, base, FAMILY), 1.0)
    return base


def painted(base: "Base", texts: Sequence[str], first: int = 0) -> "list[Image.Image]":
    """Return a picture of each text, each of its own noise, several at a time.

    Args:
        first: Seed of the first noise, over those that no model was trained on.
    """
    coder, found = vae.open_vae(BASE, "cpu"), []
    for n in range(0, len(texts), _BATCH):
        found += _painted(base, coder, texts[n : n + _BATCH], _FRESH + first + n)
    return found


def _painted(base: "Base", coder: Any, texts: Sequence[str], seed: int) -> "list[Image.Image]":
    import torch

    width, height = SIZE
    shape = (1, FAMILY.space.channels, height // 8, width // 8)
    noises = (torch.Generator().manual_seed(seed + n) for n in range(len(texts)))
    with torch.no_grad():
        *asked, other = FAMILY.encode(base, [*texts, ""], 1, 1, weighted=False)
        states = {k: torch.stack([other[k]] * len(asked) + [one[k] for one in asked])
                  for k in other}  # fmt: skip
        scheduler: Any = schedulers.opened("unipc", FAMILY, base.process, "cpu", _STEPS)
        latents = torch.cat([torch.randn(shape, generator=one) for one in noises])
        for now in scheduler.timesteps:
            told = FAMILY.denoise(
                base.network, torch.cat([latents, latents]), now.repeat(2 * len(texts)), states
            ).float()
            plain, said = told.chunk(2)
            latents = scheduler.step(plain + _GUIDANCE * (said - plain), now, latents).prev_sample
        return [sampler.decoded(coder, one[None]) for one in latents]


def accuracy(export: Path | None, count: int) -> dict[str, float]:
    """Return how often asked attributes are drawn, judged by the tagger from so many pictures each.

    `identity`: those of the mascot's look, by its trigger; `place`: the background asked there;
    `others`: all five that prompts without the trigger name; `all`: the mean of the three.
    """
    base, judge = opened(export), tiny_reading.tagger_judge(TAGGER)
    texts, _ = tiny_painting.calls(TRIGGER, (*PLACES, "studio"), count)
    scenes_asked = tiny_painting.scenes_asked(count, unseen=False)
    seen = judge(painted(base, texts))
    looks = look_tags(MASCOT).items()
    hits = tiny_painting.obeyed(
        scenes_asked, judge(painted(base, [caption(one) for one in scenes_asked], 10_000))
    )
    found = {
        "identity": _mean([one[word] == tag for one in seen for word, tag in looks]),
        "place": _mean([one["background"] in text for one, text in zip(seen, texts, strict=True)]),
        "others": _mean([right for one in hits for right in one.values()]),
    }
    return found | {"all": _mean(list(found.values()))}


def _mean(each: Sequence[float]) -> float:
    return sum(each) / len(each)


def kept(file: Path, made: Any) -> Any:
    """Return what a file holds, or what a call returns, which is kept in it."""
    if not file.exists():
        files.write(file, json.dumps(made()).encode())
    return json.loads(file.read_bytes())


def wrong_of(scene: Scene, dice: random.Random) -> Scene:
    """Return a scene that differs in place, pose and framing: what a wrong caption tells of."""
    others: Mapping[str, Sequence[str]] = {
        "background": PLACES, "pose": POSES, "framing": ("full_body", "upper_body"),
    }  # fmt: skip
    each = {
        word: dice.choice([one for one in values if one != getattr(scene, word)])
        for word, values in others.items()
    }
    return replace(scene, **each)


def exports(run: Path) -> list[Path]:
    """Return the exports of a run in the order of their steps."""
    from train.export.lora_file import steps_of

    return sorted(run.glob("*.safetensors"), key=steps_of)
