"""One call of a stage: params, model, a batch of one size; and what comes of each sample."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.engine.plan import PlannedStage
from prep.runtime.errors import MachineError, ModelFileError, UserError
from prep.stage import Failed, Nothing, Rejected

# What a picture can do to a decoder or a model. Anything else is a bug and stops the run.
_SAMPLE_ERRORS = (OSError, ValueError, ArithmeticError, RuntimeError)
# How torch says that memory ran out, and that a graphics card is lost until the program ends.
_FULL = ("out of memory", "allocate memory", "not enough memory")
_BROKEN = ("CUDA error", "cuDNN error", "CUBLAS_STATUS")


@dataclass(frozen=True)
class Outcome:
    """What became of one sample.

    Attributes:
        value: The result; None where there is none.
        state: made, rejected or failed.
        why: The reason of a rejection or failure.
        passing: The failure may be gone next time: it is tried again by every run.
    """

    key: str
    inputs: str
    value: Any = None
    state: str = "made"
    why: str = ""
    passing: bool = False


class Caller:
    """A stage's function with its params, its model and a batch of one fixed size.

    The model is loaded at the first call, so a run with nothing to do loads none.
    """

    def __init__(
        self,
        step: PlannedStage,
        note: Callable[[str], None],
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._step, self._note, self._warn = step, note, warn
        self._loaded: list[Any] = []
        self._opening = threading.Lock()
        many = step.stage.concurrency
        self.concurrency = many(step.params) if many else 0

    @property
    def size(self) -> int:
        """How many samples a call takes; where that was left open, as the model would have it."""
        batch = self._step.stage.batch
        asked = int(getattr(self._step.params, batch)) if batch and not self.concurrency else 1
        return asked or getattr(self._loaded[0], "usual_batch", 1)

    def __call__(self, samples: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return one result per sample; each sample is the tuple of what the stage reads."""
        stage = self._step.stage
        with self._opening:  # calls of several threads may be the first one
            self.open()
        given = [stage.arguments(values) for values in samples]
        if stage.batch is None:
            return [stage.run(*each, self._step.params, *self._loaded) for each in given]
        padded = [*given, *[given[-1]] * (self.size - len(given))]
        columns = [list(column) for column in zip(*padded, strict=True)]
        results = stage.run(*columns, self._step.params, *self._loaded)
        self._check_models()
        return list(results)[: len(samples)]

    def fit(self, read: Callable[[str], Mapping[str, Any]]) -> Callable[[str], Any]:
        """Return what tells the steps that a picture goes through before the stage sees it.

        Args:
            read: From a key, what the stage reads besides the picture.
        """
        fit = self._step.stage.fit
        if fit is None:
            return lambda key: ()
        self.open()
        loaded = self._loaded[0] if self._loaded else None
        return lambda key: fit(self._step.params, loaded, read(key))

    def open(self) -> None:
        """Load the model where the stage has one and it is not loaded yet."""
        stage = self._step.stage
        if stage.load is not None and not self._loaded:
            self._loaded.append(stage.load(self._step.params, self._step.found))
            note = getattr(self._loaded[0], "note", None)
            if note:  # where a model runs elsewhere than a person would expect
                self._warn(f"warning: {self._step.command}: {note}")
                self._note(f"{self._step.command}: {note}")

    def _check_models(self) -> None:
        for found in self._step.found:
            if not found.unchanged():
                raise ModelFileError(
                    f"a file of the model `{found.ask.name}` was replaced during the run",
                    "run the same command again: this batch was not kept",
                )


def called(call: Caller, samples: list[Any]) -> list[Outcome]:
    """Call the stage; where a batch fails, each sample alone: only the culprit is blamed.

    Args:
        call: The stage.
        samples: Key, inputs and what the stage reads, of as many as a call takes at most.

    Raises:
        UserError: No sample is to blame: what was asked for, a model or the machine is.
    """
    try:
        results = call([values for _, _, values in samples])
    except UserError:
        raise
    except (*_SAMPLE_ERRORS, MemoryError) as error:
        _stop_for_machine(error, call.size)
        if len(samples) > 1:
            return [result for sample in samples for result in called(call, [sample])]
        key, inputs, _ = samples[0]
        return [Outcome(key, inputs, None, "failed", f"{type(error).__name__}: {error}")]
    each = zip(samples, results, strict=True)
    return [_outcome(key, inputs, result) for (key, inputs, _), result in each]


def _outcome(key: str, inputs: str, result: Any) -> Outcome:
    if isinstance(result, Nothing):
        return Outcome(key, inputs, None, "nothing")
    if isinstance(result, Rejected):
        return Outcome(key, inputs, None, "rejected", result.why)
    if isinstance(result, Failed):
        why = f"{result.why}\n{result.hint}" if result.hint else result.why
        return Outcome(key, inputs, None, "failed", why, result.passing)
    return Outcome(key, inputs, result)


def _stop_for_machine(error: Exception, size: int) -> None:
    """End the run for what no picture can help: each would fail, and be remembered for it."""
    said = str(error)
    if isinstance(error, MemoryError) or any(words in said.lower() for words in _FULL):
        what = "device" if type(error).__name__ == "OutOfMemoryError" else "machine"
        raise MachineError(
            f"the {what} ran out of memory",
            "run again with a smaller `--batch`"
            if size > 1
            else "close what else needs memory, then run the same command again",
        ) from error
    if any(words in said for words in _BROKEN):
        raise MachineError(
            f"the device failed: {said.splitlines()[0]}",
            "run the same command again; if that fails as well, add `--device cpu`",
        ) from error
