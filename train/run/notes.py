"""What a person should know of a training before it begins, though nothing stands in its way."""

from collections.abc import Iterator, Mapping

from prep.runtime.counts import counted
from train.config import CHUNK_TOKENS, Config
from train.data.captions import longest_of_all
from train.data.dataset import Data
from train.data.held_out import both_sides
from train.data.order import batches_per_epoch, samples_of_steps
from train.export.metadata import usual_size
from train.families.detect import unread_note
from train.families.file_marks import is_told
from train.families.noise_process import Prediction
from train.run import checkpoint, run_folder
from train.run.card_sizes import card_note
from train.run.decide import Run, check_vae, facts
from train.run.idle_notes import idle_notes
from train.run.memorised import FEWEST
from train.run.outputs import drawn_texts
from train.run.probe import Answer
from train.run.text_notes import cut_texts, long_note, text_notes
from train.run.watch import measured_samples
from train.sampler_rows import DDIM
from train.samples.prompts import long_prompts


def notes(run: Run, answer: Answer, first: bool) -> Iterator[str]:
    """Yield what a person should know of a run before it begins, a line each.

    Args:
        answer: What the base model's tokenizer says of the texts.
        first: Whether this process is the one that writes.
    """
    yield from check_vae(run)
    # One of the checkpoints is whole, else the run would have been refused.
    if first and not checkpoint.steps(run.checkpoints):
        yield from run_folder.unfinished(
            run.config.out, run.name, facts(run), list(run.config.deciding())
        )
    repeats = run.data.repeats()
    yield from filter(None, (
        unread_note(run.base, answer.unread),
        prediction_note(run, answer.prediction),
        size_note(usual_size(run.data), answer.side, run.base),
        card_note(answer.memory),
        sampler_note(run.config),
        batches_note(run.config, repeats),
        halves_note(run.config),
        compile_note(run.config, repeats),
        *held_out_notes(run.data),
        watch_note(run),
        mask_note(run.data, run.config),
    ))  # fmt: skip
    yield from run.method.notes(run.config, run.data, run.found.path)
    yield from text_notes(run.data.samples, run.config)
    yield from idle_notes(run.config, run.data, run.per_epoch)
    yield from _long_notes(run, answer)


def _long_notes(run: Run, answer: Answer) -> Iterator[str]:
    """Yield which texts that train, and which prompts, are longer than the text encoder reads."""
    samples, config, drawn = run.data.samples, run.config, drawn_texts(run)
    counts = _counts(run, answer)
    yield from filter(None, (
        long_note(samples, counts, _most_read(run, answer), config),
        long_prompts({text: counts[text] for text in drawn}, answer.most_tokens),
    ))  # fmt: skip


def cut(run: Run, answer: Answer) -> dict[str, int]:
    """Return the keys of pictures whose text is cut -> its tokens."""
    most = _most_read(run, answer)
    return cut_texts(run.data.samples, _counts(run, answer), most, run.config)


def _most_read(run: Run, answer: Answer) -> int:
    """Return how many tokens of a text train."""
    most = run.config.chunks() * CHUNK_TOKENS if run.family.chunked else answer.most_tokens
    return min(answer.most_tokens, most)


def _counts(run: Run, answer: Answer) -> dict[str, int]:
    """Return the tokens of each text that trains, and of the prompts."""
    texts = longest_of_all(list(run.data.samples.values()), run.config)
    return dict(zip((*texts, *drawn_texts(run)), answer.tokens, strict=True))


def prediction_note(run: Run, found: str) -> str | None:
    """Return what a base model is taken to predict, where only a weight of its file tells it.

    Args:
        found: As `Prediction` has it.
    """
    place, layout = run.found.path, run.family.layout
    if layout is None or not layout.telling or place.is_dir() or run.config.prediction:
        return None
    if is_told(place):
        return None
    taken, other = ("noise", "v") if found == Prediction.EPSILON else ("v", "epsilon")
    return (
        f"`{run.base}` does not say what it predicts; by one of its weights it is {taken}: if that "
        f"is wrong, give `--prediction {other}`"
    )


def held_out_notes(data: Data) -> Iterator[str]:
    """Yield what to know of pictures that are kept for validation and tell less than they seem."""
    if known := both_sides(data):
        yield (
            f"kept for validation, and trained on as well or in a variant: "
            f"{counted(len(known), 'picture')}, whose loss says little; the first is `{known[0]}`"
        )
    if missing := max(0, data.held_out - len(data.validation)):
        told = counted(missing, "picture")
        yield f"kept for validation, and without latents: {told}, whose loss is not measured"


def watch_note(run: Run) -> str | None:
    """Return what to know where so few pictures are measured that none can stand out."""
    trained, _ = measured_samples(run.data, run.config)
    if not run.config.watch or len(trained) >= FEWEST:
        return None
    return (
        f"`--watch` measures {counted(len(trained), 'picture')}: with fewer than {FEWEST} there is "
        "no telling which one is learnt by heart"
    )


def size_note(size: tuple[int, int], side: int, base: str) -> str | None:
    """Return what to know where pictures have less than half the pixels that a model was made for.

    Args:
        size: (width, height) px of most pictures, as they train.
        side: Of the square that the base model was made for, px; 0 where it does not say.
    """
    width, height = size
    if 2 * width * height >= side * side:
        return None
    return (
        f"most pictures train at {width}x{height}, and `{base}` was made for {side}x{side}: "
        f"`prep bucket META --resolution {side}` prepares them so"
    )


def compile_note(
    config: Config, repeats: Mapping[tuple[int, int], Mapping[str, int]]
) -> str | None:
    """Return what to know of the time that compiling takes.

    Args:
        repeats: Bucket -> key -> how often the sample is seen in an epoch.
    """
    if not config.compile:
        return None
    shown = {size: sum(counts.values()) for size, counts in repeats.items()}
    batches = {
        (size, n)
        for size, count in shown.items()
        for n in (min(count, config.batch), count % config.batch)
        if n
    }
    told = counted(len(batches), "size", "sizes")
    return f"`--compile` makes a program for {told} of bucket and batch, at the first step of each"


def mask_note(data: Data, config: Config) -> str | None:
    """Return what to know of masks that nothing is done with."""
    masks = sum(one.mask is not None for one in data.samples.values())
    if config.masked_loss or not masks:
        return None
    of = counted(len(data.samples), "sample")
    return f"{masks} of {of} have a mask, which decides nothing without `--masked-loss`"


def halves_note(config: Config) -> str | None:
    """Return what to know of an optimizer whose numbers vanish in float16."""
    if not (config.full_fp16 and config.row().squares):
        return None
    return (
        f"`--full-fp16` keeps what `{config.optimizer}` remembers in float16 too, where small "
        "numbers vanish and steps become too long: `--optimizer adamw8bit` or `adafactor` keeps it "
        "otherwise"
    )


def sampler_note(config: Config) -> str | None:
    """Return what to know of `--sampler` where nothing is drawn."""
    if config.sampler == DDIM or config.prompts is not None:
        return None
    return f"`--sampler {config.sampler}` has no effect: without `--prompts` nothing is drawn"


def batches_note(
    config: Config, repeats: Mapping[tuple[int, int], Mapping[str, int]]
) -> str | None:
    """Return what to know of the samples of a step where it has several batches.

    Args:
        repeats: Bucket -> key -> how often the sample is seen in an epoch.
    """
    batch, passes = config.batch, config.accumulate
    batches = batches_per_epoch(repeats, batch)
    if passes == 1:
        return None
    if passes > batches:
        return (
            f"`--accumulate` is {passes}, and an epoch has {counted(batches, 'batch', 'batches')}: "
            "a step is a whole epoch"
        )
    samples = samples_told(config, repeats, "a step")
    some = "up to " if samples.startswith("up to ") else ""
    return f"{samples}: {some}{passes} batches of {some if batch > 1 else ''}{batch}"


def samples_told(
    config: Config, repeats: Mapping[tuple[int, int], Mapping[str, int]], each: str
) -> str:
    """Return how many samples a step has, in a person's words: buckets leave some short.

    Args:
        repeats: Bucket -> key -> how often the sample is seen in an epoch.
        each: What stands behind the number: `each` or `a step`.
    """
    most, average = samples_of_steps(repeats, config.batch, config.accumulate)
    told = f"{counted(most, 'sample')} {each}"
    return told if most == average else f"up to {told}, {average:.1f} on average"
