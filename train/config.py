"""The settings of a training run: one frozen record, one place for every default and limit."""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from prep.runtime import keys
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from prep.runtime.seeds import MOST_SEED
from prep.runtime.yaml_nodes import as_yaml
from train import spellings

DEVICES = ("auto", "cpu", "cuda")
# Each holds the modules of the one before it: kohya's names for SD 1.x count 128, 192 and 278.
TARGETS = ("attention", "transformer", "convolutions")
METHODS = ("lora", "finetune")
FORMS = ("folder", "file")
# Settings that one method has and the other lacks.
OF_LORAS = ("rank", "alpha", "targets")
OF_FINETUNES = ("save_as",)
OPTIMIZERS = ("adamw", "adamw8bit")
SCHEDULES = ("constant", "cosine", "cosine-with-restarts")
PRECISIONS = ("fp32", "bf16", "fp16")
ATTENTIONS = ("sdpa", "xformers")
DEFAULT_STEPS = 1000
MOST_STEPS = 10_000_000


def option(default: Any, help: str, decides: bool = True, **limits: Any) -> Any:  # noqa: A002
    """Describe a field of `Config`.

    Args:
        help: Its line in `--help`.
        decides: Whether it decides the export's bytes. What changes only rounding, speed or
            places does not.
        limits: Of a number `least` and `most`, the smallest and the largest value; of a word
            `words`, the values there are.
    """
    return field(default=default, metadata={"help": help, "decides": decides, "limits": limits})


@dataclass(frozen=True)
class Config:
    """What a person may choose; words may be spelt as kohya's scripts spell them.

    Attributes:
        alpha: Scale of the adapter times rank; None means rank, a scale of one. Rounded to the
            float32 number nearest to what was given, which is what a LoRA file holds: training,
            export and certificate have one and the same scale.
        steps: Optimizer steps; None where epochs count, or for the default.
        batch: Samples of one step, whatever the number of passes and processes; the last batch of
            a bucket in an epoch may hold fewer.

    Raises:
        ConfigError: A value is out of its limits; all of them are told at once.
    """

    base: str | None = option(
        None, "Base model: folder, hub id or `tiny`; default: the dataset's", decides=False
    )
    method: str = option("lora", "lora or finetune", words=METHODS)
    rank: int = option(16, "Inner width of the adapter", least=1, most=1024)
    alpha: float | None = option(
        None, "Scale of the adapter times rank; default: the rank", least=1e-6, most=100_000
    )
    learning_rate: float = option(1e-4, "Learning rate at its height", least=1e-10, most=10)
    targets: str = option(
        "transformer", "Where the adapter goes: attention, transformer or convolutions",
        words=TARGETS,
    )  # fmt: skip
    text_encoder: bool = option(False, "Train the text encoder as well")
    epochs: int | None = option(
        None, "Times all samples are seen, in place of steps", least=1, most=MOST_STEPS
    )
    steps: int | None = option(
        None, f"Optimizer steps; default: {DEFAULT_STEPS}", least=1, most=MOST_STEPS
    )
    batch: int = option(1, "Samples a step, all of one bucket", least=1, most=4096)
    accumulate: int = option(
        1, "Passes a step is cut into, to save memory", decides=False, least=1, most=4096
    )
    seed: int = option(0, "Decides order, noise and first weights", least=0, most=MOST_SEED)
    optimizer: str = option("adamw", "adamw or adamw8bit", words=OPTIMIZERS)
    weight_decay: float = option(0.01, "Weight decay of AdamW", least=0, most=10)
    max_gradient_norm: float = option(
        1.0, "Longer gradients are shortened to this; 0: never", least=0, most=1_000_000
    )
    schedule: str = option(
        "constant", "Learning rate over time: constant, cosine or cosine-with-restarts",
        words=SCHEDULES,
    )  # fmt: skip
    warmup: int = option(
        0, "Steps in which the learning rate rises from 0", least=0, most=MOST_STEPS
    )
    cycles: int = option(1, "Waves of cosine-with-restarts", least=1, most=10_000)
    precision: str = option("fp32", "fp32, bf16 or fp16", words=PRECISIONS)
    attention: str = option("sdpa", "sdpa or xformers", decides=False, words=ATTENTIONS)
    gradient_checkpointing: bool = option(
        False, "Compute activations twice, to save memory", decides=False
    )
    clip_skip: int = option(
        1, "Layer of the text encoder that is used, from the end; 1: the last", least=1, most=12
    )
    shuffle_tags: bool = option(False, "Show the tags of a sample in another order each time")
    keep_tags: int = option(
        1, "First tags that stay in their places when shuffled", least=0, most=1000
    )
    prior_loss_weight: float = option(
        1.0, "Weight of the loss of regularisation pictures", least=0, most=1000
    )
    caption_dropout: float = option(0.0, "Share of showings without text", least=0, most=1)
    text_variants: int = option(
        0,
        "Orders and dropouts a sample alternates between; 0: new ones each time",
        least=0,
        most=1000,
    )
    save_every_epochs: int | None = option(
        None, "Export and checkpoint after each so many epochs", decides=False, least=1,
        most=MOST_STEPS,
    )  # fmt: skip
    save_every_steps: int | None = option(
        None, "Export and checkpoint after each so many steps", decides=False, least=1,
        most=MOST_STEPS,
    )  # fmt: skip
    save_as: str = option(
        "folder", "Form of the model: folder (diffusers) or file (for WebUIs)",
        decides=False, words=FORMS,
    )  # fmt: skip
    prompts: Path | None = option(  # noqa: RUF009
        None, "File of prompts, one a line: drawn with each export", decides=False
    )
    keep: int = option(
        2, "Checkpoints that are kept, the newest ones", decides=False, least=1, most=10_000
    )
    resume: Path | None = option(  # noqa: RUF009  (a Path cannot change)
        None, "Run folder that must be the one this command continues", decides=False
    )
    name: str | None = option(
        None, "Name of the LoRA; default: the name of the pictures' folder", decides=False
    )
    out: Path = option(  # noqa: RUF009
        Path("runs"), "Folder of the run folders", decides=False
    )
    device: str = option("auto", "auto, cpu or cuda", decides=False, words=DEVICES)

    def __post_init__(self) -> None:
        for item in fields(self):
            value, words = getattr(self, item.name), item.metadata["limits"].get("words")
            if words and isinstance(value, str):
                object.__setattr__(self, item.name, spellings.ours(item.name, value, words))
        wrong = tuple(self._mistakes())
        if wrong:
            (message, hint), *others = wrong
            raise ConfigError(message, hint, others)
        if self.alpha is not None:
            object.__setattr__(self, "alpha", as_float32(self.alpha))

    def scale(self) -> float:
        """Return alpha after its default."""
        return float(self.rank) if self.alpha is None else float(self.alpha)

    def counted(self, per_epoch: int) -> "Config":
        """Return the settings with their number of steps, for epochs of so many steps.

        Raises:
            ConfigError: They are too many, or the learning rate would still rise at the end.
        """
        steps = self.epochs * per_epoch if self.epochs else self.steps or DEFAULT_STEPS
        if steps > MOST_STEPS:
            raise ConfigError(
                f"`--epochs` is {self.epochs}, which is {steps} steps",
                f"train at most {MOST_STEPS} steps",
            )
        if self.warmup >= steps:
            raise ConfigError(
                f"`--warmup` is {self.warmup}, and the run has {counted(steps, 'step')}",
                "give fewer steps to warm up, or train longer",
            )
        return replace(self, steps=steps, epochs=None)

    def deciding(self) -> dict[str, Any]:
        """Return the fields that decide the bytes of the export's weights, after defaults.

        The number of steps is among them only where it decides the learning rate of the first
        one: else a run can be made longer.
        """
        chosen = {item.name: getattr(self, item.name) for item in fields(self) if decides(item)}
        del chosen["epochs"]
        if self.schedule == "constant":
            del chosen["steps"]
        return chosen | {"alpha": self.scale()}

    def chosen(self) -> dict[str, Any]:
        """Return every field as JSON has it."""
        each = {item.name: getattr(self, item.name) for item in fields(self)}
        return {word: str(one) if isinstance(one, Path) else one for word, one in each.items()}

    def _mistakes(self) -> Iterator[tuple[str, str | None]]:
        for item in fields(self):
            value, word = getattr(self, item.name), f"`--{item.name.replace('_', '-')}`"
            hint = None if value is None else advice(value, item.metadata["limits"])
            if hint:
                other = spellings.nearest(item.name, str(value))
                hint = f"the nearest here is `{other}`; {hint}" if other else hint
                yield (
                    f"{word} is " + (f"`{value}`" if isinstance(value, str) else as_yaml(value)),
                    hint,
                )
        if self.epochs is not None and self.steps is not None:
            yield "`--epochs` and `--steps` are both given", "give one of them"
        if self.name is not None and keys.fault_everywhere(self.name):
            yield f"`--name` is `{self.name}`", "give a file's name: no `/`, no leading dot"


def as_float32(number: float) -> float:
    """Return the float32 number that is nearest, ties to even; inf where it is too large."""
    try:
        (found,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return math.copysign(math.inf, number)
    return float(found)


def advice(value: Any, limits: Mapping[str, Any]) -> str | None:
    """Return what to give instead of a value that is out of its limits; None for a good one."""
    if "words" in limits:
        return None if value in limits["words"] else f"known: {', '.join(limits['words'])}"
    if "least" not in limits or limits["least"] <= value <= limits["most"]:  # NaN is neither
        return None
    kind = "a whole number" if isinstance(value, int) else "a number"
    return f"give {kind} from {limits['least']} to {limits['most']}"


def decides(item: Any) -> bool:
    """Return whether a dataclass field of `Config` enters the recipe."""
    facts: Mapping[str, Any] = item.metadata
    return bool(facts["decides"])


def safe_name(text: str) -> str:
    """Return `text` as a name that `Config` would take; `lora` where nothing of it is left."""
    return keys.mend_name(text) or "lora"
