"""What the file of a picture says of it: prompt and settings, as WebUIs write and read them.

Source: AUTOMATIC1111's stable-diffusion-webui, modules/processing.py `create_infotext` and
modules/infotext_utils.py `parse_generation_parameters`.
"""

import json
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from train.families.family import Family
from train.samples import schedulers
from train.samples.prompts import Prompt

KEY = "parameters"  # of the text in a PNG file
MAKER = ("Software", "prep train")  # of another one, in every picture that we draw
_MODEL = re.compile(r', Model: ("(?:\\.|[^"\\])*"|[^,]*)')


class ShownLora(NamedTuple):
    """A LoRA, or what is drawn like one, as WebUIs name it.

    Attributes:
        name: Of its file, without its ending; with folders where others have that name.
        digest: What WebUIs know it by; empty where it is not written yet.
        word: What it is, as prompts have it.
    """

    name: str
    strength: float = 1.0
    digest: str = ""
    word: str = "lora"


@dataclass(frozen=True)
class Shown:
    """What pictures show beside their prompts.

    Attributes:
        model: Name of the base model, or of the whole model that is drawn.
        loras: What is on it.
        blocks: Block or group of blocks -> how strongly LoRAs act there, times the rest.
    """

    family: Family
    model: str
    loras: Sequence[ShownLora] = ()
    clip_skip: int = 1
    blocks: Mapping[str, float] = field(default_factory=dict)

    def text(self, prompt: Prompt, strengths: Sequence[float] = (1.0,)) -> str:
        """Return the text of a picture, or of a sheet of some.

        Args:
            strengths: Of all LoRAs, times their own; with 0 none is named. Several are said beside
                the prompt, for no word in it is true of all.
        """
        acting = [one for one in dict.fromkeys(strengths) if one]
        shown = self.loras if acting else ()
        words = [
            f"<{one.word}:{_without(':<>', one.name)}:{one.strength * acting[0]:g}>"
            for one in shown
            if len(acting) == 1
        ]
        facts: dict[str, object] = {
            "Steps": prompt.steps,
            "Sampler": schedulers.label(prompt.sampler, self.family),
            "CFG scale": f"{prompt.guidance:g}",
            "Seed": prompt.seed,
            "Size": f"{prompt.width}x{prompt.height}",
            "Model": _quoted(self.model),
        }
        if self.clip_skip > 1:
            facts["Clip skip"] = self.clip_skip
        if shown and len(acting) > 1:
            facts["Strengths"] = _quoted(", ".join(f"{one:g}" for one in acting))
        if shown and self.blocks:
            facts["Block weights"] = _quoted(block_words(self.blocks))
        known = [f"{_without(':,', one.name)}: {one.digest[:12]}" for one in shown if one.digest]
        if known:
            facts["Lora hashes"] = _quoted(", ".join(known))
        lines = [" ".join(filter(None, [prompt.text, *words]))]
        lines += [f"Negative prompt: {prompt.negative}"] if prompt.negative else []
        return "\n".join([*lines, ", ".join(f"{word}: {fact}" for word, fact in facts.items())])


def is_of(path: Path, text: str) -> bool:
    """Return whether a picture's file says that it is of a text, by whatever model's name.

    One that says nothing is taken for it: an earlier version drew it, or another program saved it.
    """
    try:
        said = written(path)
    except (OSError, ValueError, LookupError, struct.error):
        return False
    return said is None or _MODEL.sub("", said) == _MODEL.sub("", text)


def is_drawn(path: Path) -> bool:
    """Return whether a file is a picture that this program drew, and no other program saved."""
    try:
        return MAKER in _texts(path)
    except (OSError, ValueError, LookupError, struct.error):
        return False


def written(path: Path) -> str | None:
    """Return the text of a PNG file; None where it has none. `train check` asks, without Pillow.

    Raises:
        ValueError: It is no PNG file; `struct.error` where it is torn.
    """
    return next((text for name, text in _texts(path) if name == KEY), None)


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and content of each text before a PNG file's pixels; raises as `written`.

    Source:
        PNG specification (third edition), sections 5.3, 11.3.3.2 (tEXt) and 11.3.3.4 (iTXt).
    """
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise ValueError(path)
        while True:
            length, kind = struct.unpack(">I4s", file.read(8))
            if kind == b"IDAT":
                return
            name, _, rest = file.read(length).partition(b"\0")
            file.seek(4, os.SEEK_CUR)  # the checksum
            if kind == b"tEXt":
                yield name.decode("latin-1"), rest.decode("latin-1")
            elif kind == b"iTXt" and rest[:1] == b"\0":
                yield name.decode("latin-1"), rest[2:].split(b"\0", 2)[2].decode("utf-8")


def block_words(blocks: Mapping[str, float]) -> str:
    """Return block weights as a person types them."""
    return ",".join(f"{block}={weight:g}" for block, weight in blocks.items())


def _without(marks: str, name: str) -> str:
    """Return a name without marks that would end it, as AUTOMATIC1111 writes it.

    Source: its extensions-builtin/Lora/extra_networks_lora.py, `ExtraNetworkLora.activate`.
    """
    return name.translate(dict.fromkeys(map(ord, marks)))


def _quoted(text: str) -> str:
    """Return a text in quotes where its commas, colons and lines would be read as others."""
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ',:\n"') else text
