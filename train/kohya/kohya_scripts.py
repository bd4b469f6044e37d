"""kohya's training scripts, and what is gathered of the settings of one."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from prep.models.single_file import SUFFIXES
from prep.runtime.errors import nearest

Mistake = tuple[str, str]


@dataclass(frozen=True)
class Script:
    """What one of kohya's scripts does.

    Attributes:
        method: Ours.
        xl: Whether it is for Stable Diffusion XL, where clip skip is read and not used.
        text_encoder: Whether the text encoders learn: where an option says it, or where none says
            otherwise.
        full_bf16: Whether it does what this option says.
        v_like_loss: Whether it does what `v_pred_like_loss` says, and has masks.
    """

    method: str
    xl: bool = False
    text_encoder: Callable[[Mapping[str, Any]], bool] = lambda given: True
    full_bf16: bool = True
    v_like_loss: bool = True


def _asked(given: Mapping[str, Any]) -> bool:
    return "train_text_encoder" in given


def _not_refused(given: Mapping[str, Any]) -> bool:
    return "network_train_unet_only" not in given


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "train_network": Script("lora", text_encoder=_not_refused),
        "sdxl_train_network": Script("lora", xl=True, text_encoder=_not_refused),
        "fine_tune": Script("finetune", text_encoder=_asked, full_bf16=False, v_like_loss=False),
        "sdxl_train": Script("finetune", xl=True, text_encoder=_asked),
        "train_db": Script("finetune"),
        "train_textual_inversion": Script("embedding", text_encoder=lambda given: False),
        "sdxl_train_textual_inversion": Script(
            "embedding", xl=True, text_encoder=lambda given: False
        ),
    }
)


def as_number(name: str, value: Any, usual: float, wrong: list[Mistake]) -> float:
    """Return a value of an option as a number; what is none is noted, and the usual one taken."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        wrong.append((f"`{name}` is `{value}`", "give a number"))
        return float(usual)
    return found


def as_whole(name: str, value: Any, usual: int, wrong: list[Mistake]) -> int:
    """Return a value of an option as a whole number, likewise."""
    found = as_number(name, value, usual, wrong)
    if not found.is_integer():
        wrong.append((f"`{name}` is `{value}`", "give a whole number"))
    return int(found)


def unlike(option: str, word: str, value: str, theirs: Collection[str]) -> Mistake:
    """Return what is said of a word of an option that takes several and that is not taken over.

    Args:
        theirs: The words that kohya's scripts know there.
    """
    told = f"`{option}` has `{word}={value}`, and there is nothing like it"
    hint = f"leave it out, or all of them: `--without {option}`"
    return told, hint if word in theirs else nearest(word, theirs, hint)


class Settings:
    """Settings that are collected, and what is wrong or to be told."""

    def __init__(self, script: Script, given: Mapping[str, Any]) -> None:
        """Begin with the options of a script by their own names."""
        self.script, self.given = script, given
        self.values: dict[str, Any] = {"method": script.method}
        self.notes: list[str] = []
        self.wrong: list[Mistake] = []

    def number(self, name: str, usual: float) -> float:
        """Return an option as a number."""
        return as_number(name, self.given.get(name, usual), usual, self.wrong)

    def whole(self, name: str, usual: int) -> int:
        """Return an option as a whole number."""
        return as_whole(name, self.given.get(name, usual), usual, self.wrong)

    def pairs(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the pairs of an option that takes several `key=value`."""
        value = self.given.get(name, [])
        for one in [value] if isinstance(value, str) else value:
            word, _, rest = str(one).partition("=")
            yield word.strip(), rest.strip().strip("'\"")

    def base_is_file(self) -> bool:
        """Return whether the base model is a single file, by its name."""
        base = str(self.given.get("pretrained_model_name_or_path", "")).lower()
        return base.endswith(SUFFIXES)
