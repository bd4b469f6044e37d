"""Which texts the steps to come will show: known before they are taken, as all of them is."""

from collections.abc import Iterator
from itertools import chain, islice

from train.config import Config
from train.data.captions import are_few, text_of, texts_of
from train.data.dataset import Data
from train.data.order import nth_of, step_order, steps_per_epoch
from train.data.preserved_texts import all_shown


def upcoming_texts(data: Data, config: Config, done: int, steps: int) -> Iterator[str]:
    """Yield the texts that the steps from `done` on show, each once.

    Where a sample can have few texts, all of those it has are among them: nothing is drawn.
    """
    told: set[str] = set()
    listed = _of_samples if are_few(config) else _of_showings
    for text in listed(data, config, done, steps):
        if text not in told:
            told.add(text)
            yield text


def _of_samples(data: Data, config: Config, done: int, steps: int) -> Iterator[str]:
    repeats = data.repeats()
    most, seen = sum(len(counts) for counts in repeats.values()), set[str]()
    order = step_order(repeats, config.batch, config.accumulate, config.seed, done)
    for batches in islice(order, steps - done):
        for key in map(str, chain(*batches)):
            if key not in seen:
                seen.add(key)
                sample = data.samples[key]
                yield from all_shown(sample, sorted(texts_of(sample, key, config)), config)
        if len(seen) == most:
            return


def _of_showings(data: Data, config: Config, done: int, steps: int) -> Iterator[str]:
    repeats = data.repeats()
    per_epoch = steps_per_epoch(repeats, config.batch, config.accumulate)
    order = step_order(repeats, config.batch, config.accumulate, config.seed, done)
    for step, batches in enumerate(islice(order, steps - done), done):
        for key in chain(*batches):
            sample, epoch = data.samples[key], step // per_epoch
            text = text_of(sample, str(key), epoch, config, nth_of(key), step=step)
            yield from all_shown(sample, [text], config)
