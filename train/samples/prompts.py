"""What pictures to draw: lines of text as kohya's scripts read them. Text only.

`a cat on a roof --n dog --w 512 --h 512 --d 7 --s 20 --l 7.5 --ss euler_a`. Brackets give words
weights: `(word:1.2)`, `(word)`, `[word]`; see `train.families.weighted_words`.

Source of the flags: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py
`line_to_prompt_dict`, which drops those that it does not know, and gen_img.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prep.runtime.counts import counted, first_few
from prep.runtime.errors import ConfigError
from train.families.family import Family, PictureSizes
from train.families.weighted_words import unweighted
from train.sampler_rows import DDIM
from train.samples import schedulers

_WORD = re.compile(r"(?:^|\s)--([a-z0-9]+)(?:\s+|$)", re.IGNORECASE)
_OF_WEBUIS = re.compile(r"<(lora|lyco|hypernet):[^<>]*>")
_MOST_SIDE = 8192
# Kohya's letters: field of `Prompt`, what it must be, least and most.
_FLAGS: Mapping[str, tuple[str, type, float, float]] = {
    "n": ("negative", str, 0, 0),
    "w": ("width", int, 8, _MOST_SIDE),
    "h": ("height", int, 8, _MOST_SIDE),
    "d": ("seed", int, 0, (1 << 63) - 1),
    "s": ("steps", int, 1, 1000),
    "l": ("guidance", float, 0, 100),
    "ss": ("sampler", str, 0, 0),
    "ow": ("original_width", int, 1, _MOST_SIDE),
    "oh": ("original_height", int, 1, _MOST_SIDE),
    "cl": ("crop_left", int, 0, _MOST_SIDE),
    "ct": ("crop_top", int, 0, _MOST_SIDE),
}
_SIZES = ("ow", "oh", "cl", "ct")
# Theirs that are not taken: why, and what to do.
_REFUSED: Mapping[str, tuple[str, str]] = {
    "g": ("the guidance that FLUX has built in, which is not here", "give `--l 7.5` in its place"),
    "nl": ("the negative prompt acts as strongly as the prompt", "leave it out"),
    **dict.fromkeys(("nw", "nh"), ("both prompts are told the same sizes", "leave it out")),
    **dict.fromkeys(("t", "i"), ("nothing is drawn from another picture", "leave it out")),
    "c": ("CLIP does not guide a picture", "leave it out"),
    "cn": ("there is no ControlNet", "leave it out"),
    "am": ("how strongly LoRAs act is said for all prompts", "give `train sample --strength`"),
    **dict.fromkeys(("ctr", "rcfg"), ("they are of Lumina, which is not here", "leave it out")),
    "fs": ("the base model's scheduler says how far a flow is shifted", "leave it out"),
    **dict.fromkeys(("dsd1", "dst1", "dsd2", "dst2", "dsr"),
                    ("there is no deep shrink", "leave it out")),
    **dict.fromkeys(("glt", "glr", "gle", "gls", "glsn", "glus"),
                    ("latents do not grow on the way", "leave it out")),
}  # fmt: skip


@dataclass(frozen=True)
class Prompt:
    """One picture that is asked for.

    Attributes:
        width: In px, a multiple of 8; so is `height`.
        guidance: How strongly text decides; 1 is the network's plain answer.
        sampler: A name of `train.sampler_rows`.
        original_width: What the network is told of the picture before it was made smaller, px;
            None: the picture's own. So is `original_height`.
        crop_left: What it is told was cut off at the left, px; `crop_top`: at the top.
        own_seed: Whether its line says the seed.
    """

    text: str
    negative: str = ""
    width: int = 512
    height: int = 512
    seed: int = 0
    steps: int = 20
    guidance: float = 7.5
    sampler: str = DDIM
    original_width: int | None = None
    original_height: int | None = None
    crop_left: int = 0
    crop_top: int = 0
    own_seed: bool = field(default=False, compare=False)

    def sizes(self) -> PictureSizes:
        """Return what a network is told of the picture's sizes."""
        before = (self.original_width or self.width, self.original_height or self.height)
        return PictureSizes(before, (self.crop_left, self.crop_top), (self.width, self.height))

    def plain_texts(self) -> list[str]:
        """Return prompt and negative prompt as they are read, without brackets."""
        return [unweighted(self.text), unweighted(self.negative)]


def parse(line: str, usual: Prompt) -> Prompt:
    """Return the prompt of one line; capitals of flags make no difference.

    Raises:
        ConfigError: A flag is not known or not taken, or its value is out of its limits.
    """
    text, *rest = _WORD.split(line.strip())
    given = {flag.lower(): value for flag, value in zip(rest[::2], rest[1::2], strict=True)}
    return with_flags(replace(usual, text=text.strip()), given)


def with_flags(prompt: Prompt, given: Mapping[str, str]) -> Prompt:
    """Return a prompt with what flags say of it.

    Args:
        given: Flag without its `--` -> value as text.

    Raises:
        ConfigError: A flag is not known or not taken, or its value is out of its limits.
    """
    found: dict[str, Any] = {}
    for flag, value in given.items():
        if flag in _REFUSED:
            why, hint = _REFUSED[flag]
            raise ConfigError(f"`--{flag}` is not taken: {why}", hint)
        if flag not in _FLAGS:
            raise ConfigError(f"`--{flag}` is not known", f"known: --{', --'.join(_FLAGS)}")
        name, kind, least, most = _FLAGS[flag]
        found[name] = value.strip() if kind is str else _number(flag, value, (kind, least, most))
    if "sampler" in found:
        found["sampler"] = schedulers.named(found["sampler"], "--ss")
    return replace(prompt, **found, own_seed="seed" in found)


def _number(flag: str, value: str, limits: tuple[type, float, float]) -> Any:
    kind, least, most = limits
    try:
        found = kind(value)
    except ValueError:
        found = None
    if found is None or not least <= found <= most:
        raise ConfigError(f"`--{flag} {value.strip()}` is wrong", f"give {least} to {most}")
    if flag in ("w", "h") and found % 8:
        raise ConfigError(f"`--{flag} {value.strip()}` is wrong", "give a multiple of 8")
    return found


def check_drawable(prompt: Prompt, family: Family) -> None:
    """Raise ConfigError where a model of a family cannot draw a prompt as it is asked for."""
    schedulers.check(prompt.sampler, prompt.steps, family)
    for flag, side in (("w", prompt.width), ("h", prompt.height)):
        if side % family.side_step:
            raise ConfigError(
                f"`--{flag} {side}` is wrong for a model of the kind `{family.name}`",
                f"give a multiple of {family.side_step}",
            )
    plain = Prompt(prompt.text)
    for flag in _SIZES if not family.sizes(prompt.sizes()) else ():
        if getattr(prompt, _FLAGS[flag][0]) != getattr(plain, _FLAGS[flag][0]):
            raise ConfigError(
                f"`--{flag}` says nothing to a model of the kind `{family.name}`", "leave it out"
            )
    if word := _OF_WEBUIS.search(f"{prompt.text} {prompt.negative}"):
        raise ConfigError(
            f"`{word[0]}` in a prompt is a word of WebUIs",
            "leave it out: `train sample A.safetensors B.safetensors:0.6` draws LoRAs",
        )


def long_prompts(tokens: Mapping[str, int], most: int) -> str | None:
    """Return which texts are longer than a model's text encoder reads.

    Args:
        tokens: Text of a prompt -> how many tokens it is.
        most: How many of them are read.
    """
    over = [f"`{text[:40]}` ({count})" for text, count in tokens.items() if count > most]
    if not over:
        return None
    verb, end = ("has", "its end is") if len(over) == 1 else ("have", "their ends are")
    told = f"{counted(len(over), 'prompt')} {verb} more than {most} tokens; {end} not read"
    return f"{told}: {first_few(over)}"
