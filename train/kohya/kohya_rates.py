"""How fast a run of kohya's scripts learns, as settings of ours: rates, optimizer, schedule."""

from train import spellings
from train.config import Config
from train.kohya.kohya_keys import OPTIMIZER_ARGS
from train.kohya.kohya_scripts import Settings, as_number, unlike
from train.optimizers import KNOWN_AS, OPTIMIZERS, Rate
from train.schedule_rows import SCHEDULES

_USUAL_DECAY = ("adamw", "adamw8bit")  # others of their classes have none unless it is given


def rates(found: Settings) -> None:
    """Gather the learning rates of network and text encoders, and whether those learn."""
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
            return as_number(name, value, usual, found.wrong)
    return usual


def optimizer(found: Settings) -> None:
    """Gather the optimizer, and its weight decay: its class's own where none is given."""
    old = {"use_8bit_adam": "AdamW8bit", "use_lion_optimizer": "Lion"}
    named = next((kind for flag, kind in old.items() if flag in found.given), "AdamW")
    asked = str(found.given.get("optimizer_type", named))
    known = {word: word for word in OPTIMIZERS} | dict(KNOWN_AS)
    name = known.get(spellings.ours("optimizer", asked, known), "")
    args = dict(found.pairs("optimizer_args"))
    if name.startswith("adafactor"):
        relative = args.pop("relative_step", "True") != "False"
        name = "adafactor-relative" if relative else "adafactor"
        plain = {"scale_parameter": str(relative), "warmup_init": str(relative)}
        args = {word: value for word, value in args.items() if plain.get(word) != value}
    if not name:
        near = spellings.nearest("optimizer", asked)
        hint = f"the nearest here is `{near}`" if near else f"known: {', '.join(OPTIMIZERS)}"
        found.wrong.append((f"`optimizer_type` is `{asked}`", hint))
        return
    usual = 0.01 if name in _USUAL_DECAY else 0.0
    decay = as_number("weight_decay", args.pop("weight_decay", usual), usual, found.wrong)
    found.values |= {"optimizer": name, "weight_decay": decay}
    for word, value in args.items():
        found.wrong.append(unlike("optimizer_args", word, value, OPTIMIZER_ARGS))
    if OPTIMIZERS[name].rate is Rate.ITS_OWN:
        for word in ("learning_rate", "text_encoder_learning_rate"):
            if found.values.pop(word, None) is not None:
                found.notes.append(f"`{word}` is left out: Adafactor decides its steps alone")


def schedule(found: Settings) -> None:
    """Gather the schedule of the learning rate, and its warm-up."""
    name = str(found.given.get("lr_scheduler", "constant"))
    own = spellings.ours("schedule", name, SCHEDULES)
    relative = found.values.get("optimizer") == "adafactor-relative"
    if relative or name == "adafactor":
        shaping = [theirs for theirs in _THEIRS.values() if theirs in found.given]
        found.notes += [f"`{word}` is left out: Adafactor decides its steps" for word in shaping]
        return
    if own not in SCHEDULES:
        near = spellings.nearest("schedule", name) or "cosine"
        found.wrong.append((f"`lr_scheduler` is `{name}`", f"the nearest here is `{near}`"))
        return
    found.values |= {"schedule": own, "warmup": _steps_of("lr_warmup_steps", found)}
    given: dict[str, int | float | str] = {
        "schedule_power": found.number("lr_scheduler_power", 1),
        "decay_steps": _steps_of("lr_decay_steps", found),
        "timescale": found.whole("lr_scheduler_timescale", 0),
        "lowest_rate": found.number("lr_scheduler_min_lr_ratio", 0),
    }
    for word, value in found.pairs("lr_scheduler_args"):
        if word == "step_rules":
            given["rate_rules"] = value
        else:
            found.wrong.append(unlike("lr_scheduler_args", word, value, ("step_rules",)))
    given = {word: value for word, value in given.items() if value != getattr(Config, word)}
    given |= {"warmup": found.values["warmup"]} if found.values["warmup"] else {}
    for word in given:
        if word in SCHEDULES[own].reads:
            found.values[word] = given[word]
        else:
            found.values.pop(word, None)
            found.notes.append(f"`{_THEIRS[word]}` is left out: `{name}` does not use it")


# Our words for what shapes a schedule -> theirs.
_THEIRS = {
    "warmup": "lr_warmup_steps",
    "schedule_power": "lr_scheduler_power",
    "decay_steps": "lr_decay_steps",
    "timescale": "lr_scheduler_timescale",
    "lowest_rate": "lr_scheduler_min_lr_ratio",
    "rate_rules": "lr_scheduler_args",
}


def _steps_of(name: str, found: Settings) -> int:
    """Return steps of a warm-up or decay: a number, a share of all, or per cent of them."""
    told = str(found.given.get(name, 0))
    share = as_number(name, told.removesuffix("%"), 0, found.wrong)
    share /= 100 if told.endswith("%") else 1
    if told.endswith("%") or 0 < share < 1:
        steps = found.values.get("steps")
        if steps is None:
            found.wrong.append(
                (f"`{name}` is `{told}`, a share of steps that epochs decide",
                 "give a number of steps")
            )  # fmt: skip
            return 0
        return int(share * steps)
    return int(share)
