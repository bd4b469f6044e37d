"""Options that are given and change nothing, with these samples or beside these other options."""

from collections.abc import Iterator

from prep.dataset.wording import without_trigger
from prep.runtime.counts import counted
from prep.runtime.yaml_nodes import as_yaml
from train.config import Config
from train.data.captions import tags_that_move, whole_texts
from train.data.dataset import Data, TrainingSample
from train.option_fields import flag


def idle_notes(config: Config, data: Data, per_epoch: int) -> Iterator[str]:
    """Yield each option that is not at its default and changes nothing, and why.

    Args:
        config: With the number of steps.
        per_epoch: Steps of an epoch.
    """
    for option, why in (*_alone(config), *_with_data(config, data, per_epoch)):
        value = getattr(config, option)
        if value != getattr(Config, option):
            typed = flag(option) if value is True else f"{flag(option)} {as_yaml(value)}"
            yield f"`{typed}` has no effect: {why}"


def _alone(config: Config) -> Iterator[tuple[str, str]]:
    """Yield options that mean nothing beside the others, and why."""
    moved = config.shuffle_tags or config.tag_dropout or config.tag_warmup
    if not moved and config.keep_tags:  # none to keep is what there is, then
        yield "keep_tags", "no tag is moved or left out"
    if not config.tag_warmup:
        yield "tag_warmup_least", "there is no `--tag-warmup`"
    if "cycles" not in config.schedule_row().reads:
        yield "cycles", f"the schedule is {config.schedule}"


def _with_data(config: Config, data: Data, per_epoch: int) -> Iterator[tuple[str, str]]:
    """Yield options that these samples, or so many steps, have nothing for, and why."""
    samples = data.samples.values()
    moving = max((tags_that_move(one, config) for one in samples), default=0)
    if moving < 2:
        yield "shuffle_tags", "no text has two tags that may move"
    if not moving:
        yield "tag_dropout", "no text has a tag that may be left out"
        yield "tag_warmup", "no text has a tag that may be left out"
    drawn = config.caption_dropout or config.wildcards or any(one.each for one in samples)
    tags_drawn = (config.shuffle_tags and moving > 1) or (config.tag_dropout and moving)
    if not (drawn or tags_drawn):
        yield "text_variants", "nothing of a text is drawn"
    if not data.masks():
        yield "masked_loss", "no sample has a mask"
    yield from _of_class(data)
    if not any(_names_trigger(one, config) for one in samples):
        yield "prior_prediction", "no text names a trigger"
    epochs = -(-(config.steps or 0) // per_epoch)
    if epochs < config.caption_dropout_every_epochs:
        yield "caption_dropout_every_epochs", f"the run has {counted(epochs, 'epoch')}"


def _of_class(data: Data) -> Iterator[tuple[str, str]]:
    """Yield options of regularisation pictures that have no such pictures, or no others."""
    kinds = {one.regularisation for one in data.samples.values()}
    if True not in kinds:
        for name in ("prior_loss_weight", "balance_regularisation"):
            yield name, "there are no regularisation pictures"
    elif False not in kinds:
        yield "balance_regularisation", "there are regularisation pictures alone"


def _names_trigger(sample: TrainingSample, config: Config) -> bool:
    """Return whether one of a sample's texts is another one without the trigger."""
    texts = whole_texts(sample, config)
    return any(without_trigger(one, sample.trigger, sample.class_prompt) != one for one in texts)
