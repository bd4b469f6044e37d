"""What a person should know of a training before it begins, though nothing stands in its way."""

from collections.abc import Iterator, Mapping

from prep.runtime.counts import counted, first_few
from train.config import CHUNK_TOKENS, Config
from train.data.captions import all_texts
from train.data.dataset import TrainingSample
from train.families.detect import unread_note
from train.families.file_marks import is_told
from train.families.noise_process import Prediction
from train.run import run_folder
from train.run.decide import Run, check_vae, facts
from train.run.probe import Answer


def notes(run: Run, answer: Answer, first: bool) -> Iterator[str]:
    """Yield what a person should know of a run before it begins, a line each.

    Args:
        answer: What the base model's tokenizer says of the texts.
        first: Whether this process is the one that writes.
    """
    yield from check_vae(run)
    if first:
        yield from run_folder.unfinished(
            run.config.out, run.name, facts(run), list(run.config.deciding())
        )
    if note := unread_note(run.base, answer.unread):
        yield note
    if note := prediction_note(run, answer.prediction):
        yield note
    if note := passes_note(run.config):
        yield note
    samples = run.data.samples
    most = run.config.chunks() * CHUNK_TOKENS
    counts = dict(zip(all_texts(list(samples.values())), answer.tokens, strict=True))
    if note := long_note(samples, counts, min(answer.most_tokens, most)):
        yield note


def prediction_note(run: Run, found: str) -> str | None:
    """Return what a base model is taken to predict, where only a weight of its file tells it.

    Args:
        found: As `Prediction` has it.
    """
    place, layout = run.found.path, run.family.layout
    if layout is None or place.is_dir() or run.config.prediction or is_told(place, layout):
        return None
    taken, other = ("noise", "v") if found == Prediction.EPSILON else ("v", "epsilon")
    return (
        f"`{run.base}` does not say what it predicts; by one of its weights it is {taken}: if that "
        f"is wrong, give `--prediction {other}`"
    )


def passes_note(config: Config) -> str | None:
    """Return what to know of `--accumulate` where a batch has no samples for so many passes."""
    batch, passes = config.batch, config.accumulate
    if passes <= batch:
        return None
    effect = "has no effect" if batch == 1 else f"has the effect of `--accumulate {batch}`"
    return (
        f"`--accumulate {passes}` {effect}: it cuts a batch into passes, and `--batch` is {batch}; "
        f"for {batch * passes} samples a step give `--batch {batch * passes} --accumulate {passes}`"
    )


def long_note(
    samples: Mapping[str, TrainingSample], counts: Mapping[str, int], most_tokens: int
) -> str | None:
    """Return which texts are longer than the text encoder reads.

    Args:
        counts: Tokens of each text.
    """
    found = [(key, counts[one.text]) for key, one in samples.items()]
    over = [f"`{key}` ({count})" for key, count in found if count > most_tokens]
    if not over:
        return None
    one = len(over) == 1
    verb, rest = ("has a text of", "its end is") if one else ("have texts of", "their ends are")
    return (
        f"{len(over)} of {counted(len(samples), 'sample')} {verb} more than {most_tokens} tokens; "
        f"{rest} not trained: {first_few(over)}"
    )
