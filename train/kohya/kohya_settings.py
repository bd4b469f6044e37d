"""Options of kohya's training scripts as settings of ours, their defaults among them.

Source: kohya-ss/sd-scripts (commit 48d368fa): train_network.py, sdxl_train_network.py,
fine_tune.py, sdxl_train.py, train_db.py, library/train_util.py.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from train import spellings
from train.optimizers import KNOWN_AS, OPTIMIZERS


@dataclass(frozen=True)
class Script:
    """What one of kohya's scripts does.

    Attributes:
        method: Ours.
        xl: Whether it is for Stable Diffusion XL, where clip skip is read and not used.
        text_encoder: Whether the text encoders learn: where an option says it, or where none says
            otherwise.
    """

    method: str
    xl: bool = False
    text_encoder: Callable[[Mapping[str, Any]], bool] = lambda given: True


def _asked(given: Mapping[str, Any]) -> bool:
    return "train_text_encoder" in given


def _not_refused(given: Mapping[str, Any]) -> bool:
    return "network_train_unet_only" not in given


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "train_network": Script("lora", text_encoder=_not_refused),
        "sdxl_train_network": Script("lora", xl=True, text_encoder=_not_refused),
        "fine_tune": Script("finetune", text_encoder=_asked),
        "sdxl_train": Script("finetune", xl=True, text_encoder=_asked),
        "train_db": Script("finetune"),
    }
)
_SAME = (
    "seed save_precision prior_loss_weight gradient_checkpointing caption_prefix caption_suffix "
)
_SAME += "secondary_separator"
_PLAIN = """
pretrained_model_name_or_path max_grad_norm lr_scheduler_num_cycles mixed_precision
weighted_captions max_token_length shuffle_caption keep_tokens keep_tokens_separator
enable_wildcard caption_dropout_rate caption_dropout_every_n_epochs caption_tag_dropout_rate
token_warmup_min token_warmup_step save_every_n_epochs save_every_n_steps save_model_as
sample_prompts output_name output_dir
"""
# Their name -> ours, where the value goes over as it is spelt.
PLAIN: Mapping[str, str] = MappingProxyType(
    {name: name for name in _SAME.split()}
    | {name: spellings.setting(name) or name for name in _PLAIN.split()}
)
_READ = """
network_module network_dim network_alpha network_args network_train_unet_only learning_rate
unet_lr text_encoder_lr learning_rate_te learning_rate_te1 learning_rate_te2 train_text_encoder
block_lr max_train_epochs max_train_steps train_batch_size gradient_accumulation_steps
optimizer_type use_8bit_adam use_lion_optimizer optimizer_args lr_scheduler lr_warmup_steps
xformers sdpa mem_eff_attn diffusers_xformers clip_skip v_parameterization
"""
READ = frozenset(_READ.split())  # what the functions below read
_ATTENTIONS: Mapping[str, str] = MappingProxyType(
    {"sdpa": "sdpa", "mem_eff_attn": "sdpa"}
    | dict.fromkeys(("xformers", "diffusers_xformers"), "xformers")
)
_USUAL_DECAY = ("adamw", "adamw8bit")  # others of their classes have none unless it is given
Mistake = tuple[str, str]


class Settings:
    """Settings that are collected, and what is wrong or to be told."""

    def __init__(self, script: Script, given: Mapping[str, Any]) -> None:
        """Begin with the options of a script by their own names."""
        self.script, self.given = script, given
        self.values: dict[str, Any] = {"method": script.method}
        self.notes: list[str] = []
        self.wrong: list[Mistake] = []

    def number(self, name: str, usual: float) -> float:
        """Return an option as a number; whole ones are int."""
        value = self.given.get(name, usual)
        try:
            found = float(value)
        except (TypeError, ValueError):
            self.wrong.append((f"`{name}` is `{value}`", "give a number"))
            return usual
        return int(found) if found.is_integer() else found

    def whole(self, name: str, usual: int) -> int:
        """Return an option as a whole number."""
        return int(self.number(name, usual))


def settings_of(script: Script, given: Mapping[str, Any]) -> Settings:
    """Return the settings of the run that a script would do with these options."""
    found = Settings(script, given)
    for part in (_length, _network, _rates, _optimizer, _schedule, _rest):
        part(found)
    return found


def _length(found: Settings) -> None:
    batch, passes = (
        found.whole("train_batch_size", 1),
        found.whole("gradient_accumulation_steps", 1),
    )
    found.values |= {"batch": batch * passes, "accumulate": passes}
    if "max_train_epochs" in found.given:
        found.values["epochs"] = found.whole("max_train_epochs", 1)
    else:
        found.values["steps"] = found.whole("max_train_steps", 1600)


def _network(found: Settings) -> None:
    if found.script.method != "lora":
        return
    module = str(found.given.get("network_module", ""))
    if module != "networks.lora":
        found.wrong.append(
            (f"`network_module` is `{module}`", "a LoRA of `networks.lora` is what there is")
        )
    rank, alpha = found.whole("network_dim", 4), found.number("network_alpha", 1)
    found.values |= {"rank": rank, "alpha": float(alpha) or float(rank)}
    kernel = dict[str, str]()
    for name, value in _pairs(found, "network_args"):
        if name == "loraplus_lr_ratio":
            found.values["lora_plus"] = float(value)
        elif name in ("conv_dim", "conv_alpha"):
            kernel[name] = value
        else:
            found.wrong.append((f"`network_args` has `{name}={value}`", "there is nothing like it"))
    if kernel:
        same = float(kernel.get("conv_dim", 4)) == rank, float(kernel.get("conv_alpha", 1)) == alpha
        if not all(same):
            told = "convolutions have another rank or alpha than the rest"
            found.wrong.append((f"`network_args`: {told}", "give them the same"))
        found.values["targets"] = "convolutions"


def _pairs(found: Settings, name: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of an option that takes several `key=value`."""
    value = found.given.get(name, [])
    for one in [value] if isinstance(value, str) else value:
        word, _, rest = str(one).partition("=")
        yield word.strip(), rest.strip().strip("'\"")


def _rates(found: Settings) -> None:
    lora = found.script.method == "lora"
    usual = found.number("learning_rate", 2e-6)
    rate = found.number("unet_lr", usual) if lora else usual
    text = _text_rate(found, usual)
    learns = found.script.text_encoder(found.given) and text > 0
    found.values |= {"learning_rate": float(rate), "text_encoder": learns}
    if learns and text != rate:
        found.values["text_encoder_learning_rate"] = float(text)
    if "block_lr" in found.given:
        found.wrong.append(("`block_lr` has a rate for each block", "say it as `block_rates`"))


def _text_rate(found: Settings, usual: float) -> float:
    for name in ("text_encoder_lr", "learning_rate_te", "learning_rate_te1"):
        value = found.given.get(name)
        if isinstance(value, list):
            found.notes.append(f"`{name}` has several values, and kohya's scripts use the first")
            value = value[0]
        if value is not None:
            second = found.given.get("learning_rate_te2", value)
            if str(second) != str(value):
                found.wrong.append(
                    ("the text encoders have different rates", "say it as `block_rates: TE2=0.5`")
                )
            return Settings(found.script, {name: value}).number(name, usual)
    return usual


def _optimizer(found: Settings) -> None:
    old = {"use_8bit_adam": "AdamW8bit", "use_lion_optimizer": "Lion"}
    named = next((kind for flag, kind in old.items() if flag in found.given), "AdamW")
    asked = str(found.given.get("optimizer_type", named))
    known = {word: word for word in OPTIMIZERS} | dict(KNOWN_AS)
    name = known.get(spellings.ours("optimizer", asked, known), "")
    args = dict(_pairs(found, "optimizer_args"))
    relative = args.pop("relative_step", "True") != "False"
    if name.startswith("adafactor"):
        name = "adafactor-relative" if relative else "adafactor"
        plain = {"scale_parameter": str(relative), "warmup_init": str(relative)}
        args = {word: value for word, value in args.items() if plain.get(word) != value}
    if not name:
        near = spellings.nearest("optimizer", asked)
        hint = f"the nearest here is `{near}`" if near else f"known: {', '.join(OPTIMIZERS)}"
        found.wrong.append((f"`optimizer_type` is `{asked}`", hint))
        return
    decay = args.pop("weight_decay", "0.01" if name in _USUAL_DECAY else "0")
    found.values |= {"optimizer": name, "weight_decay": float(decay)}
    for word, value in args.items():
        found.wrong.append((f"`optimizer_args` has `{word}={value}`", "there is nothing like it"))
    if OPTIMIZERS[name].rate.name == "ITS_OWN":
        for word in ("learning_rate", "text_encoder_learning_rate"):
            if found.values.pop(word, None) is not None:
                found.notes.append(f"`{word}` is left out: Adafactor decides its steps alone")


def _schedule(found: Settings) -> None:
    name = str(found.given.get("lr_scheduler", "constant"))
    words = ("constant", "cosine", "cosine-with-restarts")
    own = spellings.ours("schedule", name, words)
    relative = found.values.get("optimizer") == "adafactor-relative"
    if relative or name == "adafactor":
        return
    if own not in words:
        near = spellings.nearest("schedule", name) or "cosine"
        found.wrong.append((f"`lr_scheduler` is `{name}`", f"the nearest here is `{near}`"))
        return
    found.values |= {"schedule": own, "warmup": _warmup(found)}


def _warmup(found: Settings) -> int:
    """Return the steps of a warm-up: a number, a share of the steps, or per cent of them."""
    told = str(found.given.get("lr_warmup_steps", 0))
    share = float(told[:-1]) / 100 if told.endswith("%") else found.number("lr_warmup_steps", 0)
    if told.endswith("%") or 0 < share < 1:
        steps = found.values.get("steps")
        if steps is None:
            found.wrong.append(
                (f"`lr_warmup_steps` is `{told}`, a share of steps that epochs decide",
                 "give a number of steps")
            )  # fmt: skip
            return 0
        return int(share * steps)
    return int(share)


def _rest(found: Settings) -> None:
    given = found.given
    found.values |= {"max_tokens": 75, "keep_tags": 0, "seed": 0}
    if "seed" not in given:
        found.notes.append("kohya's scripts draw a seed; it is 0 here unless you give another")
    attentions = {"sdpa": "sdpa", "xformers": "xformers", "diffusers_xformers": "xformers"}
    named = [
        word for name, word in (attentions | {"mem_eff_attn": "sdpa"}).items() if name in given
    ]
    found.values |= {"attention": named[0]} if named else {}
    found.values |= {"prediction": "v"} if "v_parameterization" in given else {}
    skip = found.whole("clip_skip", 1)
    if skip > 1 and found.script.xl:
        found.notes.append("`clip_skip` is left out: kohya's scripts do not use it for XL")
    elif skip > 1:
        found.values["clip_skip"] = skip
    found.values |= {ours: given[name] for name, ours in PLAIN.items() if name in given}
