"""How well the tiny world's tagger, captioner and judge read pictures.

Used by `benchmarks.tiny_world`. Tagger and captioner go through the ordinary code; the pictures
have seeds that no model was trained on, all shapes of the world, and one to four times its size.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.tiny_painting import FRESH, Figure, Judge, share
from prep.images.fitting import fitted
from prep.models.locate import Models
from tagger_models.captioners import local
from tagger_models.captioners.captioner import Decoding, Reply
from tagger_models.labels.label import Label
from tagger_models.onnx import tagger
from tagger_models.profiles import registry
from tinyworld.draw import draw
from tinyworld.training import judge
from tinyworld.words import (
    ATTRIBUTES,
    attribute_tags,
    attribute_values,
    caption,
    character_tags,
    general_tags,
)
from tinyworld.world import Scene, random_scene

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# True of every picture, so that they would only flatter.
ALWAYS = frozenset({"solo", "no_humans", "blush"})

# Whether it names all five must hold for fresh pictures; held-out ones are told beside them.
F1_FRESH, F1_UNSEEN, CAPTIONS = 0.97, 0.90, 0.90
LARGEST = 4
KINDS = {"fresh": False, "held-out": True}


def scenes(count: int, unseen: bool) -> list[Scene]:
    """Return scenes that no model was trained on, at one to four times the world's size."""
    dice = random.Random(f"reading:{unseen}")
    found = []
    for seed in range(FRESH, FRESH + count):
        scene = random_scene(seed, unseen)
        times = dice.uniform(1, LARGEST)
        width, height = scene.size
        found.append(replace(scene, size=(round(width * times), round(height * times))))
    return found


def pictures(of: Sequence[Scene]) -> "list[Image.Image]":
    """Return the picture of each scene."""
    return [draw(scene, FRESH + n) for n, scene in enumerate(of)]


def open_tagger(name: str) -> tuple[tagger.OnnxTagger, Mapping[str, float]]:
    """Return a tagger, and its usual threshold by category."""
    row = registry.profile(name)
    found = Models(Path.home()).find(registry.ask(name))
    return tagger.open_tagger(found, row, "cpu"), row.thresholds


def scored(tagger: tagger.OnnxTagger, images: "Sequence[Image.Image]") -> "np.ndarray":
    """Return a tagger's scores of whole pictures."""
    return tagger.score([fitted(image, tagger.fit) for image in images])


def tagger_judge(name: str) -> Judge:
    """Return what reads the five attributes by a tagger: of each, the likeliest tag."""
    tagger, _ = open_tagger(name)
    place = {label.name: number for number, label in enumerate(tagger.labels)}

    def judged(images: "Sequence[Image.Image]") -> list[dict[str, str]]:
        scores = scored(tagger, images)
        return [_likeliest(row, place) for row in scores]

    return judged


def second_judge(folder: Path) -> Judge:
    """Return the judge, of another seed and shape than the tagger."""
    net = judge.open_judge(folder)
    return lambda images: judge.judged(net, images)


def tagger_figures(name: str, count: int, *kinds: str) -> list[Figure]:
    """Return micro F1 over the tags that vary, and how often each attribute's best tag is right."""
    tagger, least = open_tagger(name)
    found = []
    for words in kinds or KINDS:
        shown = scenes(count, KINDS[words])
        scores = scored(tagger, pictures(shown))
        counts = [
            counted(
                _kept(row, tagger.labels, least),
                frozenset((*general_tags(s), *character_tags(s))),
            )
            for row, s in zip(scores, shown, strict=True)
        ]
        value, error = micro_f1(counts)
        wanted = F1_UNSEEN if KINDS[words] else F1_FRESH
        found.append(Figure(f"tagger, {words}, micro F1", value, error, wanted))
        place = {label.name: number for number, label in enumerate(tagger.labels)}
        seen = [_likeliest(row, place) for row in scores]
        found += attribute_figures(f"tagger, {words}", shown, seen)
    return found


def judge_figures(folder: Path, count: int, *kinds: str) -> list[Figure]:
    """Return how often the judge is right in each attribute."""
    judged, found = second_judge(folder), []
    for words in kinds or KINDS:
        shown = scenes(count, KINDS[words])
        found += attribute_figures(f"judge, {words}", shown, judged(pictures(shown)))
    return found


def captioner_figures(name: str, count: int, *kinds: str) -> list[Figure]:
    """Return how often a caption names an attribute rightly, all five, or every word."""
    found = []
    for words in kinds or KINDS:
        shown = scenes(count, KINDS[words])
        images = pictures(shown)
        said = captions(name, images)
        hits = [_named_rightly(text, scene) for text, scene in zip(said, shown, strict=True)]
        for attribute in ATTRIBUTES:
            right = (hit[attribute] for hit in hits if attribute in hit)
            found.append(share(f"captioner, {words}, {attribute}", right))
        wanted = None if KINDS[words] else CAPTIONS
        found.append(
            share(f"captioner, {words}, all five", (all(h.values()) for h in hits), wanted)
        )
        whole = (text == caption(scene) for text, scene in zip(said, shown, strict=True))
        found.append(share(f"captioner, {words}, every word", whole))
    return found


def captions(name: str, images: "Sequence[Image.Image]") -> list[str]:
    """Return what a captioner says of pictures, with the settings of `prep caption`."""
    found = Models(Path.home()).find(local.ask_captioner(name))
    opened, said = local.open_captioner(found, device="cpu"), []
    for first in range(0, len(images), 32):
        some = images[first : first + 32]
        empty = [""] * len(some)
        answers = opened.caption(some, empty, [0] * len(some), Decoding())
        said += [answer.text if isinstance(answer, Reply) else "" for answer in answers]
    return said


def attribute_figures(
    name: str, shown: Sequence[Scene], seen: Sequence[Mapping[str, str]]
) -> list[Figure]:
    """Return how often each attribute is right, where a picture has it."""
    pairs = [(attribute_tags(scene), one) for scene, one in zip(shown, seen, strict=True)]
    return [
        share(f"{name}, {word}", (true[word] == one[word] for true, one in pairs if word in true))
        for word in ATTRIBUTES
    ]


def named(text: str) -> dict[str, set[str]]:
    """Return, for each attribute, the tags that a caption names."""
    spoken = f" {text.replace(',', ' ').replace('.', ' ')} "
    return {
        attribute: {tag for tag in tags if f" {_spoken(tag)} " in spoken}
        for attribute, tags in attribute_values().items()
    }


def micro_f1(counts: Iterable[tuple[int, int, int]]) -> tuple[float, float]:
    """Return micro F1 and its standard error over pictures.

    Args:
        counts: Of each picture: tags found that are true, found that are false, true but missed.

    Source:
        Linearised variance of a ratio of sums (Cochran 1977, eq. 6.4), without correction for
        small samples.
    """
    tops, ends = zip(
        *((2 * hit, 2 * hit + wrong + lost) for hit, wrong, lost in counts), strict=True
    )
    value = sum(tops) / sum(ends)
    spread = sum((top - value * end) ** 2 for top, end in zip(tops, ends, strict=True))
    return value, math.sqrt(spread) / sum(ends)


def _kept(
    scores: "np.ndarray", labels: Sequence[Label], least: Mapping[str, float]
) -> frozenset[str]:
    """Return the tags of one picture by the usual thresholds; those of no category are none."""
    return frozenset(
        label.name
        for label, score in zip(labels, scores, strict=True)
        if label.category in least and score >= least[label.category]
    )


def counted(found: frozenset[str], true: frozenset[str]) -> tuple[int, int, int]:
    """Return how many tags that vary are found and true, found and false, true and missed."""
    found, true = found - ALWAYS, true - ALWAYS
    return len(found & true), len(found - true), len(true - found)


def _likeliest(scores: "np.ndarray", place: Mapping[str, int]) -> dict[str, str]:
    return {
        attribute: max(tags, key=lambda tag: scores[place[tag]])
        for attribute, tags in attribute_values().items()
    }


def _named_rightly(text: str, scene: Scene) -> dict[str, bool]:
    found = named(text)
    return {word: found[word] == {tag} for word, tag in attribute_tags(scene).items()}


def _spoken(tag: str) -> str:
    """Return a tag as a caption says it: `top_hat` is `top hat`, `mint_fur` is `mint fur`."""
    return tag.replace("_body", " mascot").replace("_", " ")
