"""The texts on which the base model's own answers are kept: without the trigger, or empty.

Source: ostris/ai-toolkit, `diff_output_preservation` (the trigger becomes the word of its class)
and `blank_prompt_preservation`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prep.dataset.wording import without_trigger
from train.config import Config
from train.data.dataset import TrainingSample


class PreservedTexts(NamedTuple):
    """One more text for each sample of a batch.

    Attributes:
        weights: Of the loss of each, over the sample's own weight; 0 where the sample is shown
            with this very text and learns it.
    """

    texts: tuple[str, ...]
    weights: tuple[float, ...]


def preserved_texts(
    samples: Sequence[TrainingSample], texts: Sequence[str], config: Config
) -> tuple[PreservedTexts, ...]:
    """Return the texts that samples, shown with `texts`, are shown with once more.

    Where none of the weights is above 0 nothing has to be computed, and nothing is returned.
    """
    called = zip(samples, texts, strict=True)
    each = (
        (config.prior_prediction, [_plain(text, one) for one, text in called]),
        (config.blank_prompt_preservation, [""] * len(texts)),
    )
    found = [
        PreservedTexts(
            tuple(others),
            tuple(weight * (other != text) for other, text in zip(others, texts, strict=True)),
        )
        for weight, others in each
    ]
    return tuple(one for one in found if any(one.weights))


def all_shown(sample: TrainingSample, texts: Sequence[str], config: Config) -> Iterator[str]:
    """Yield each of a sample's texts, and what it is shown with once more beside it."""
    for text in texts:
        yield text
        yield from (other for one in preserved_texts([sample], [text], config) for other in one[0])


def _plain(text: str, sample: TrainingSample) -> str:
    return without_trigger(text, sample.trigger, sample.class_prompt)
