"""What settings ask of a base model, and whether it has it."""

import math
from collections.abc import Sequence

from prep.runtime.errors import ConfigError, UserError
from train.block_rates import EVERY, group_of, rate_of, rates_of, strange
from train.config import Config
from train.families import all_families
from train.families.family import Family
from train.families.noise_process import Prediction
from train.methods import method_named
from train.option_fields import flag
from train.run import outputs
from train.run.decide import Run
from train.samples.prompts import check_drawable

# Option -> what models that it is for predict. A flow has no weights by snr in kohya's scripts.
_MEANT_FOR = {
    "min_snr": ("noise", "v"),
    "debiased_estimation_loss": ("noise", "v"),
    "scale_v_pred_loss_like_noise_pred": ("v",),
    "v_pred_like_loss": ("noise",),
    "timestep_shift": ("a flow",),
}


def check_family(config: Config, family: Family) -> None:
    """Raise where a method does not train base models of a family."""
    method = method_named(config.method)
    if not method.trains(family):
        known = (name for name, one in all_families().items() if method.trains(one))
        raise ConfigError(
            f"`train {method.name}` does not train models of the kind `{family.name}`",
            f"name one of the kind {' or '.join(known)}, or train a LoRA: `train lora`",
        )


def check_form(config: Config, family: Family) -> None:
    """Raise where the export is to be a file of a kind that cannot be written of this family."""
    if method_named(config.method).form(config) == "file" and family.layout is None:
        raise ConfigError(
            f"a model of the kind `{family.name}` cannot be written as one file",
            "write a folder: leave out `--save-as`",
        )


def check_prompts(run: Run) -> None:
    """Raise where a prompt cannot be drawn; one that cannot be read is told already."""
    try:
        shown = outputs.prompts(run)
    except UserError:
        return
    for prompt in shown:
        check_drawable(prompt, run.family)


def check_loss(config: Config, prediction: str, ends_in_noise: bool) -> None:
    """Raise where the loss is to be weighed by what a base model of its kind has not.

    Args:
        prediction: What the base model predicts; empty where nothing is known.
        ends_in_noise: Whether nothing of the latents is left at its last timestep.
    """
    kinds = {Prediction.EPSILON: "noise", Prediction.V_PREDICTION: "v", Prediction.FLOW: "a flow"}
    says = kinds.get(Prediction(prediction)) if prediction else None
    for name, meant in _MEANT_FOR.items():
        if says and getattr(config, name) != getattr(Config, name) and says not in meant:
            raise ConfigError(
                f"`{flag(name)}` is given, and the base model predicts {says}",
                f"leave it out: it is for models that predict {' or '.join(meant)}",
            )
    if says == "a flow" and config.loss_row().wide and config.huber_schedule == "snr":
        raise ConfigError(
            f"`--loss {config.loss}` has its width by signal and noise, and the base model "
            "predicts a flow",
            "give `--huber-schedule constant` or `exponential`",
        )
    if says == "noise" and ends_in_noise:
        for name in ("debiased_estimation_loss", "v_pred_like_loss"):
            if getattr(config, name):
                raise ConfigError(
                    f"`{flag(name)}` is given, and the base model's last timestep has no signal: "
                    "it would weigh without end",
                    "leave it out",
                )


def check_blocks(config: Config, family: Family) -> None:
    """Raise where something is said of blocks that are not there, or no block is left to learn."""
    said = {name: getattr(config.own, name, "") for name in ("block_ranks", "block_alphas")}
    for name, text in {"block_rates": config.block_rates, **said}.items():
        _check_words(f"`{flag(name)}` is `{text}`", [*rates_of(text, math.inf)], config, family)
    learning = family.all_blocks() if config.text_encoder else family.blocks
    ranks = rates_of(said["block_ranks"], math.inf)
    if not any(config.block_rate(block) and rate_of(block, ranks) for block in learning):
        name = "block_rates" if config.block_rates else "block_ranks"
        told = f"`{flag(name)}` is `{config.block_rates or said[name]}`"
        what = "a rate" if name == "block_rates" else "a rank"
        raise ConfigError(f"{told}: no block learns", f"give a block {what} above 0")


def _check_words(told: str, words: Sequence[str], config: Config, family: Family) -> None:
    """Raise ConfigError where a word names no block, or a text encoder that does not learn."""
    blocks = family.all_blocks()
    if wrong := strange(words, blocks):
        groups = list(dict.fromkeys([EVERY, *map(group_of, blocks)]))
        raise ConfigError(
            f"{told}, and a model of the kind `{family.name}` has no block `{wrong[0]}`",
            f"its blocks are {', '.join(blocks)}; {', '.join(groups)} stand for several",
        )
    idle = [word for word in words if word.startswith("TE")]
    if idle and not config.text_encoder:
        raise ConfigError(
            f"{told}: `{idle[0]}` is a text encoder, and none learns",
            "let it learn: `--text-encoder`, or leave it out",
        )


def check_preservation(config: Config) -> None:
    """Raise where the base model's own answers are asked for, and nothing can be put aside."""
    for name in config.own_answers() if method_named(config.method).alone is None else ():
        raise ConfigError(
            f"`{flag(name)}` is given, and `{config.method}` has no adapter that is put aside for "
            "the base model's own answers",
            "leave it out, and keep the class by regularisation pictures: `train class-pictures`",
        )
