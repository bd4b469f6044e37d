"""The settings of a training run: one frozen record, one place for every default and limit."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from prep.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda")
# Each holds the modules of the one before it: kohya's names for SD 1.x count 128, 192 and 278.
TARGETS = ("attention", "transformer", "convolutions")
# A name must be a file's name on every system, Windows included.
_BAD_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f]|^\.|[. ]$|^$')


def option(default: Any, help: str, decides: bool = True) -> Any:  # noqa: A002
    """Describe a field of `Config`: default, help, and whether it decides the export's bytes."""
    return field(default=default, metadata={"help": help, "decides": decides})


@dataclass(frozen=True)
class Config:
    """What a person may choose.

    Attributes:
        alpha: Scale of the adapter times rank; None means rank, a scale of one.
        batch: Samples of one step; the last batch of a bucket in an epoch may hold fewer.

    Raises:
        ConfigError: A value is out of its limits; all of them are told at once.
    """

    base: str | None = option(
        None, "Base model: folder, hub id or `tiny`; default: the dataset's", decides=False
    )
    rank: int = option(16, "Inner width of the adapter")
    alpha: float | None = option(None, "Scale of the adapter times rank; default: the rank")
    learning_rate: float = option(1e-4, "Learning rate of AdamW")
    targets: str = option(
        "transformer", "Where the adapter goes: attention, transformer or convolutions"
    )
    text_encoder: bool = option(False, "Train the text encoder as well")
    steps: int = option(1000, "Optimizer steps")
    batch: int = option(1, "Samples a step, all of one bucket")
    seed: int = option(0, "Decides order, noise and first weights")
    name: str | None = option(
        None, "Name of the LoRA; default: the name of the pictures' folder", decides=False
    )
    out: Path = field(
        default=Path("runs"), metadata={"help": "Folder of the run folders", "decides": False}
    )
    device: str = option("auto", "auto, cpu or cuda", decides=False)

    def __post_init__(self) -> None:
        wrong = tuple(self._mistakes())
        if wrong:
            (message, hint), *others = wrong
            raise ConfigError(message, hint, others)

    def scale(self) -> float:
        """Return alpha after its default."""
        return float(self.rank) if self.alpha is None else float(self.alpha)

    def deciding(self) -> dict[str, Any]:
        """Return the fields that decide the bytes of the export, after defaults."""
        chosen = {item.name: getattr(self, item.name) for item in fields(self) if decides(item)}
        return chosen | {"alpha": self.scale()}

    def _mistakes(self) -> list[tuple[str, str | None]]:
        wrong: list[tuple[str, str | None]] = [
            (f"`--{word}` is {getattr(self, word)}", "give a whole number, 1 or more")
            for word in ("rank", "steps", "batch")
            if getattr(self, word) < 1
        ]
        for word, value in (("alpha", self.scale()), ("learning-rate", self.learning_rate)):
            if not (math.isfinite(value) and value > 0):
                wrong.append((f"`--{word}` is {value}", "give a number above 0"))
        if self.targets not in TARGETS:
            wrong.append((f"`--targets` is `{self.targets}`", f"known: {', '.join(TARGETS)}"))
        if self.device not in DEVICES:
            wrong.append((f"`--device` is `{self.device}`", f"known: {', '.join(DEVICES)}"))
        if self.name is not None and _BAD_NAME.search(self.name):
            wrong.append(
                (f"`--name` is `{self.name}`", "give a file's name: no `/`, no leading dot")
            )
        return wrong


def decides(item: Any) -> bool:
    """Return whether a dataclass field of `Config` enters the recipe."""
    facts: Mapping[str, Any] = item.metadata
    return bool(facts["decides"])


def safe_name(text: str) -> str:
    """Return `text` as a name that `Config` would take; `lora` where nothing of it is left."""
    stripped = text.strip(" .")
    return _BAD_NAME.sub("_", stripped) if stripped else "lora"
