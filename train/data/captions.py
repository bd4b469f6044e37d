"""What a sample says when shown, and the states of texts. Knows no tokenizer and no family."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prep.runtime.seeds import seed_for
from train.config import Config
from train.data.dataset import TrainingSample

if TYPE_CHECKING:
    from train.families.family import Conditioning

_CACHE_BYTES = 1 << 30
_SEEDS = 1 << 63


def text_of(sample: TrainingSample, key: str, epoch: int, config: Config, showing: int = 0) -> str:
    """Return the text that a sample is shown with: drawn anew at every showing.

    Tags are shuffled behind the first `keep_tags`; the trigger counts as one tag and stays whole,
    also where it has commas; a caption keeps its place behind the tags. A share of
    `caption_dropout` of the showings has no text.

    Args:
        showing: Which of the sample's showings in the epoch it is. The first one is drawn as it
            was when all of an epoch were alike, so that runs without repeats keep their bits.
    """
    if not (config.shuffle_tags or config.caption_dropout):
        return sample.text
    drawn: tuple[int | str, ...] = (epoch, key, showing) if showing else (epoch, key)
    if config.text_variants:
        drawn = (seed_for(config.seed, "variant", *drawn) % config.text_variants, key)
    if seed_for(config.seed, "dropout", *drawn) < config.caption_dropout * _SEEDS:
        return ""
    if not config.shuffle_tags:
        return sample.text
    tags, rest = _units(sample), sample.words[sample.num_tags :]
    kept, moved = tags[: config.keep_tags], tags[config.keep_tags :]
    order = sorted(
        (seed_for(config.seed, "shuffle", *drawn, tag, nth), tag) for nth, tag in enumerate(moved)
    )
    return ", ".join([*kept, *(tag for _, tag in order), *rest])


def _units(sample: TrainingSample) -> tuple[str, ...]:
    """Return the tags of a sample, the trigger as one."""
    lead, tags = sample.lead, sample.words[: sample.num_tags]
    return (", ".join(tags[:lead]), *tags[lead:]) if lead > 1 else tags


def all_texts(samples: Sequence[TrainingSample]) -> list[str]:
    """Return the texts of samples as they stand in the dataset, each once, sorted."""
    return sorted({sample.text for sample in samples})


class TextCache:
    """The states of texts: kept while they fit into memory, where no text encoder learns.

    Keys are the texts alone: encoders, token length and clip skip are those of one run.
    """

    def __init__(
        self, encode: "Callable[[list[str]], list[Conditioning]]", learns: bool = False
    ) -> None:
        self._encode, self._limit = encode, 0 if learns else _CACHE_BYTES
        self._kept: OrderedDict[str, Conditioning] = OrderedDict()
        self._bytes = 0

    def of(self, texts: Sequence[str]) -> "list[Conditioning]":
        """Return the conditioning of each text, without a batch axis."""
        found = {text: self._kept[text] for text in texts if text in self._kept}
        for text in found:
            self._kept.move_to_end(text)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        made = dict(zip(new, self._encode(new), strict=True)) if new else {}
        for text, state in made.items():
            self._keep(text, state)
        return [found[text] if text in found else made[text] for text in texts]

    def _keep(self, text: str, state: "Conditioning") -> None:
        self._kept[text] = state
        self._bytes += sum(tensor.nbytes for tensor in state.values())
        while self._bytes > self._limit:
            _, old = self._kept.popitem(last=False)
            self._bytes -= sum(tensor.nbytes for tensor in old.values())
