"""What is drawn of each export: texts of the run's own pictures, with the trigger and without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prep.runtime.seeds import seed_for
from train.data.dataset import Data, TrainingSample
from train.families.weighted_words import escaped
from train.samples.prompts import Prompt

SEEDS = 2  # of each text: so that it can be told whether pictures of one text differ


@dataclass(frozen=True)
class PickPicture:
    """A picture that is drawn of each export, and of the base model.

    Attributes:
        tags: What its text asks for, trigger left out.
        called: Whether its text has the trigger, or there is none.
        text: Number of its text: pictures of one text differ by their noise.
    """

    prompt: Prompt
    tags: tuple[str, ...]
    called: bool
    text: int


def asked_pictures(data: Data, usual: Prompt, count: int, seed: int) -> list[PickPicture]:
    """Return about so many pictures: texts of held-out pictures first, chosen by chance.

    Where texts have a trigger, each is asked with it and without: what the subject does to a
    prompt that does not call it is half of what is wrong with a LoRA that learnt too long.
    """
    samples = {
        key: one
        for key, one in {**data.samples, **data.validation}.items()
        if not one.regularisation and one.wordings()[0].own()
    }
    order = sorted(
        samples, key=lambda key: (key not in data.validation, seed_for(seed, "asked", key))
    )
    found: list[PickPicture] = []
    known: set[str] = set()
    for key in order:
        words = samples[key].wordings()[0]
        if words.text() in known:
            continue
        known.add(words.text())
        for called in (True, False) if words.lead else (True,):
            found += _pictures(samples[key], usual, called, len(found))
        if len(found) >= count:
            break
    return found


def _pictures(sample: TrainingSample, usual: Prompt, called: bool, first: int) -> list[PickPicture]:
    said = sample.wordings()[0]
    own = said.words[said.lead :]
    text = escaped(", ".join(said.words if called else own))
    return [
        PickPicture(
            replace(usual, text=text, seed=first + n), _tags(said.words, said.lead, said.num_tags),
            called, first,
        )
        for n in range(SEEDS)
    ]  # fmt: skip


def _tags(words: Sequence[str], lead: int, num_tags: int) -> tuple[str, ...]:
    return tuple(words[lead:num_tags])
