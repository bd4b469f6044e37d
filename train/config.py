"""The settings that all methods share: one frozen record, one place for every default and limit."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from prep.models.tokenizer import CHUNKS
from prep.runtime import keys
from prep.runtime.seeds import MOST_SEED
from train.block_rates import rate_of, rates_of
from train.loss_rows import LossOptions
from train.noise_options import NoiseOptions
from train.optimizers import KNOWN_AS, OPTIMIZERS, Optimizer
from train.option_fields import Options, deciding, described, option
from train.preservation_options import PreservationOptions
from train.sampler_rows import DDIM, KNOWN_SAMPLERS
from train.schedule_rows import SCHEDULES, Schedule, ScheduleOptions
from train.timestep_options import TimestepOptions
from train.watch_options import WatchOptions

T = TypeVar("T")

CHUNK_TOKENS = CHUNKS[0]  # what CLIP's text encoders read at once, marks left out

DEVICES = ("auto", "cpu", "cuda")
PREDICTIONS = ("epsilon", "v")
AUTO = "auto"
PRECISIONS = ("fp32", "bf16", "fp16")
ATTENTIONS = ("sdpa", "memory-efficient", "math", "xformers")
TEXT_CACHES = ("memory", "disk")
LOGS = ("tensorboard",)
DEFAULT_STEPS = 1000
_RATES = "1e-4; hypernetwork, fine-tune: 1e-5, embedding: 5e-4, optimizer that finds it: 1"
MOST_STEPS = 10_000_000


@dataclass(frozen=True)
class Config(
    WatchOptions,
    PreservationOptions,
    TimestepOptions,
    NoiseOptions,
    LossOptions,
    ScheduleOptions,
):
    """What a person may choose, whatever the method; `checked` looks whether it can be.

    Attributes:
        method: Name of the method.
        own: Its own options.
        steps: Optimizer steps; None where epochs count, or for the default.
        max_tokens: Decides the export's bytes only where a text is longer than 75 tokens: the
            recipe sees to that.
        batch: Samples of a batch, whatever the number of processes; the last batch of a bucket in
            an epoch may hold fewer.
        accumulate: Batches of a step; the last step of an epoch may have fewer.
    """

    method: str
    own: Options
    base: str | None = option(
        None,
        "Base model: folder, single file, hub id or `tiny`; default: the dataset's",
        decides=False,
    )
    prediction: str | None = option(
        None, "What a base model in one file predicts: epsilon or v; default: what the file says",
        later=True, words=PREDICTIONS,
    )  # fmt: skip
    learning_rate: float | None = option(
        None, f"Learning rate at its height; default: {_RATES}", least=1e-10, most=10
    )
    text_encoder_learning_rate: float | None = option(
        None, "Learning rate of the text encoder; default: the same", later=True, least=1e-10,
        most=10,
    )  # fmt: skip
    block_rates: str = option(
        "", "Learning rates of blocks over the usual one, as `IN=0.5,MID=2,OUT03=0,TE2=0.1`; 0: "
        "a block stays as it is", later=True,
    )  # fmt: skip
    text_encoder: bool = option(False, "Train the text encoder as well")
    epochs: int | None = option(
        None, "Times all samples are seen, in place of steps", least=1, most=MOST_STEPS
    )
    steps: int | None = option(
        None, f"Optimizer steps; default: {DEFAULT_STEPS}", least=1, most=MOST_STEPS
    )
    batch: int = option(1, "Samples a batch, all of one bucket", least=1, most=4096)
    accumulate: int = option(
        1, "Batches a step: all their samples count alike", later=True, least=1, most=4096
    )
    seed: int = option(0, "Decides order, noise and first weights", least=0, most=MOST_SEED)
    optimizer: str = option(
        "adamw", f"One of {', '.join(OPTIMIZERS)}", words=tuple(OPTIMIZERS), known_as=KNOWN_AS
    )
    weight_decay: float = option(0.01, "Weight decay of the optimizer", least=0, most=10)
    max_gradient_norm: float = option(
        1.0, "Longer gradients are shortened to this; 0: never", least=0, most=1_000_000
    )
    schedule: str = option(
        "constant", f"Learning rate over time; one of {', '.join(SCHEDULES)}",
        words=tuple(SCHEDULES),
    )  # fmt: skip
    warmup: int = option(
        0, "Steps in which the learning rate rises from 0", least=0, most=MOST_STEPS
    )
    cycles: int = option(1, "Waves of a cosine that has several", least=1, most=10_000)
    precision: str = option(
        AUTO, "auto (bf16 on a card that has it, else fp16; fp32 on the CPU), fp32, bf16 or fp16",
        words=(AUTO, *PRECISIONS),
    )  # fmt: skip
    full_fp16: bool = option(
        False, "Weights that learn, gradients and optimizer in fp16 too, to save memory", later=True
    )
    full_bf16: bool = option(False, "The same in bf16", later=True)
    attention: str = option(
        "sdpa", "sdpa, memory-efficient, math or xformers",
        decides=False, words=ATTENTIONS,
    )  # fmt: skip
    compile: bool = option(
        False, "Let torch compile the network: faster steps, and the first of each size takes long",
        decides=False,
    )  # fmt: skip
    gradient_checkpointing: bool = option(
        False, "Compute activations twice, to save memory", decides=False
    )
    shard: bool = option(
        False, "Split weights, gradients and optimizer of a fine-tune over the processes",
        decides=False,
    )  # fmt: skip
    clip_skip: int = option(
        1, "Layer of the text encoder that is used, from the end; 1: the last", least=1, most=12
    )
    max_tokens: int = option(
        CHUNKS[-1], "Tokens of a text that train, in steps of 75; a longer text is cut",
        decides=False, least=CHUNK_TOKENS, most=CHUNKS[-1],
    )  # fmt: skip
    shuffle_tags: bool = option(False, "Show the tags of a sample in another order each time")
    keep_tags: int = option(
        1, "First tags that are neither shuffled nor left out", least=0, most=1000
    )
    keep_tags_separator: str = option(
        "", "Mark behind the tags to keep, in place of their number; a second one: before others",
        later=True,
    )  # fmt: skip
    secondary_separator: str = option(
        "", "Mark between tags that are moved or left out together", later=True
    )
    tag_dropout: float = option(
        0.0, "Share of the tags that a showing leaves out", later=True, least=0, most=1
    )
    tag_warmup: int = option(
        0, "Steps in which more and more of the tags are shown", later=True, least=0,
        most=MOST_STEPS,
    )  # fmt: skip
    tag_warmup_least: int = option(
        1, "Tags that are shown at the first of them, beside those to keep", later=True, least=0,
        most=1000,
    )  # fmt: skip
    caption_prefix: str = option("", "Words in front of every text", later=True)
    caption_suffix: str = option("", "Words behind every text", later=True)
    wildcards: bool = option(False, "Draw one of the words of `{a|b}` at each showing", later=True)
    weighted_words: bool = option(
        False, "Take the brackets of `(word:1.2)`, `(word)` and `[word]` for weights", later=True
    )
    prior_loss_weight: float = option(
        1.0, "Weight of the loss of regularisation pictures", least=0, most=1000
    )
    caption_dropout: float = option(0.0, "Share of showings without text", least=0, most=1)
    caption_dropout_every_epochs: int = option(
        0, "Show no text in each so many-th epoch; 0: never", later=True, least=0, most=MOST_STEPS
    )
    text_variants: int = option(
        0,
        "Orders and dropouts a sample alternates between; 0: new ones each time",
        least=0,
        most=1000,
    )
    text_cache: str = option(
        "memory", "Where states of texts are kept: memory (1 GiB of them) or disk",
        decides=False, words=TEXT_CACHES,
    )  # fmt: skip
    save_precision: str = option(
        "fp32", "Precision of the exports: fp32, fp16 or bf16", decides=False, words=PRECISIONS
    )
    save_every_epochs: int | None = option(
        None, "Export and checkpoint after each so many epochs", decides=False, least=1,
        most=MOST_STEPS,
    )  # fmt: skip
    save_every_steps: int | None = option(
        None, "Export and checkpoint after each so many steps", decides=False, least=1,
        most=MOST_STEPS,
    )  # fmt: skip
    prompts: Path | None = option(  # noqa: RUF009
        None, "File of prompts, one a line: drawn with each export", decides=False
    )
    log: str | None = option(  # torchrun takes `--log` for one of its own
        None, "Who else is told of each step, beside metrics.jsonl: tensorboard", decides=False,
        also="--log-with", words=LOGS,
    )  # fmt: skip
    sampler: str = option(
        DDIM, "How pictures of prompts that name no way are drawn, as `Euler a`", decides=False,
        words=tuple(dict.fromkeys(KNOWN_SAMPLERS.values())), known_as=KNOWN_SAMPLERS,
    )  # fmt: skip
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

    def chunks(self) -> int:
        """Return how many chunks of 75 tokens a text may have."""
        return self.max_tokens // CHUNK_TOKENS

    def own_as(self, kind: type[T]) -> T:
        """Return the method's own options, of the kind that the method knows them to be.

        Raises:
            TypeError: They are those of another method.
        """
        if not isinstance(self.own, kind):
            raise TypeError(f"settings of `{self.method}`, not of {kind.__name__}")
        return self.own

    def block_rate(self, block: str) -> float:
        """Return the learning rate of a block over the usual one; 0: it stays as it is."""
        return rate_of(block, rates_of(self.block_rates))

    def full(self) -> str:
        """Return the half precision that what learns is kept in: fp16, bf16; empty: float32."""
        return "fp16" if self.full_fp16 else "bf16" if self.full_bf16 else ""

    def row(self) -> Optimizer:
        """Return the optimizer."""
        return OPTIMIZERS[self.optimizer]

    def schedule_row(self) -> Schedule:
        """Return the schedule."""
        return SCHEDULES[self.schedule]

    def settled(self, usual: str) -> "Config":
        """Return the settings with the precision that is computed in.

        Args:
            usual: What `auto` is on this machine.
        """
        return replace(self, precision=usual) if self.precision == AUTO else self

    def deciding(self) -> dict[str, Any]:
        """Return the fields that decide the bytes of the export's weights, after defaults.

        The number of steps is among them only where it decides the learning rate of the first
        one: else a run can be made longer.
        """
        found = deciding(self)
        del found["epochs"]
        if not self.schedule_row().knows_end:
            del found["steps"]
        return {"method": self.method, **self.own.deciding(), **found}

    def chosen(self) -> dict[str, Any]:
        """Return every option as JSON has it."""
        records = (self.own, self)
        each = {item.name: getattr(one, item.name) for one in records for item in described(one)}
        found = {word: str(one) if isinstance(one, Path) else one for word, one in each.items()}
        return {"method": self.method, **found}


def safe_name(text: str) -> str:
    """Return `text` as a name that `Config` would take; `lora` where nothing of it is left."""
    return keys.mend_name(text) or "lora"
