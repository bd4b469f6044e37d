"""The contract of a stage: what it reads, what it writes, its params. Imports nothing of ours.

A stage is a value. Whoever plans, runs, explains, documents or tests it reads the same
declaration; a file in `prep/stages` that holds one is all there is to add.

Artifacts of a sample are named by the stages that write them. Some are there without a stage:
`image` (the picture: upright RGB in a map; in a fan-out without its pixels, to be cut by `crop`
and mirrored), `size` (its upright width and height, px), `digest` (SHA-256 of its file), `key`,
`lineage` (where a derived picture comes from), the person's own fields (`keep`, `weight`, ...) and
`yours.NAME`, what a person wrote for an artifact that a stage makes too.
In `reads`, a name that ends in `?` may be absent: the stage is then given None.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Run = Callable[..., Any]


class FileText(str):
    """The text of a file that a param names.

    Attributes:
        name: The file as the person named it, for messages.
    """

    name: str

    def __new__(cls, text: str, name: str) -> "FileText":
        """Return a text that knows its file."""
        made = super().__new__(cls, text)
        made.name = name
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Return what a copy in another process is made of."""
        return str(self), self.name


def file_name(text: str, usual: str) -> str:
    """Return the name of the file that a param's text is from; `usual` where none is known."""
    return text.name if isinstance(text, FileText) else usual


class Shape(StrEnum):
    """What a stage turns into what."""

    MAP = "map"  # a sample into a value
    FAN_OUT = "fan-out"  # a sample into named pictures of another folder
    DECISION = "decision"  # small values of all samples into one row per sample
    SIDECAR = "sidecar"  # a field of a sample into a text file beside the picture
    VIEW = "view"  # the rows of all samples into one file


@dataclass(frozen=True)
class Rejected:
    """Returned by a stage in place of a value: the sample leaves the dataset, and why."""

    why: str


@dataclass(frozen=True)
class Failed:
    """Returned by a stage in place of a value: this sample could not be done.

    Attributes:
        why: What is wrong, in the person's words.
        hint: What they can do about it.
        passing: It may be gone next time: it is tried again by every run.
    """

    why: str
    hint: str = ""
    passing: bool = False


@dataclass(frozen=True)
class Derived:
    """One picture that a fan-out makes.

    Attributes:
        name: Part of its key (`a.png@NAME.png`); empty for the source picture itself, whose file
            is copied byte for byte under its own key.
        image: What `crop` or mirroring made of the picture; None where `name` is empty.
        box: (left, top, right, bottom) px in the source picture.
        flip: Mirrored left to right.
    """

    name: str
    image: Any
    box: tuple[int, int, int, int]
    flip: bool = False


@dataclass(frozen=True)
class Rows:
    """What a view is made of.

    Attributes:
        rows: Key -> artifact -> value, for every sample that has all the view needs, in the order
            of keys. Each row is read anew when it is asked for, so that no view holds them all.
        left_out: Key -> the reason why a sample is not in `rows`.
        facts: About the whole: file (its name), root, state, program, made_by, previous (bytes).
        failed: Artifact that the view can do without -> key -> why no stage could make it today.
    """

    rows: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]
    facts: Mapping[str, Any]
    failed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Returned by a view in place of bytes, where there is more to be told than they say.

    Attributes:
        data: The file's bytes.
        failed: Key -> why a picture that has a row was left out, and a person should look.
        rejected: Key -> why a picture is left out as it was asked for, here or in the file before.
        account: What becomes of the pictures' words: `prep.dataset.account.Account`.
        counts: What a run says of the whole: `6 buckets`.
    """

    data: bytes
    failed: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    account: Any = None
    counts: str = ""


@dataclass(frozen=True)
class Stage:
    """A declared step from some artifacts of a sample to another one.

    Attributes:
        name: The name of its file.
        version: Raised by hand whenever the same input and params give other bytes.
        reads: Artifact names, in the order of `run`'s positional arguments.
        uses: From the values of params, those of `reads` that a run with them makes use of; `run`
            is given no other. None: all. Of an older run's values, some may be absent, and of a
            file there is only the digest.
        writes: The artifact it makes; for a view, the file: `tags.csv` or a meta file's ending.
        help: First line of the function's docstring.
        commands: The subcommands that run it; its own name unless it says otherwise.
        done: What a run says of its results, after their number: `15 scored`; empty: nothing.
        shown: From a result, what `prep why` shows a person of it; None: nothing.
        load: Builds what `run` receives last, from the params and the models found.
        models: The models.Ask values its results depend on, from the params.
        batch: Name of the param with the number of samples a call takes; None for one at a time.
        wanted: From the params, whether they ask for the stage at all; None: they always do.
        at_once: From the params, how many calls of one sample each may be waiting for an answer
            from elsewhere, each in a thread of its own; 0: calls of `batch` samples, one by one.
        dear: What came of a call took so long that it is made durable at once, not with what comes
            after it.
        alike: Artifact whose value all samples of a batch share.
        fit: From the params, what `load` built (or None) and what else is read of the sample, by
            name: the steps of `prep.images.fitting` that a map's `image` has gone through when
            `run` gets it, done by the processes that decode; None: `run` gets the whole picture.
        suffix: Kept as a file of this suffix in the state folder; None: in the ledger.
        packed: The value is bytes, not JSON.
        yields: The artifact that makes it unnecessary where a person wrote a value for it; empty:
            none does. A stage that reads what the person wrote for it yields to nothing.
    """

    name: str
    version: int
    shape: Shape
    reads: tuple[str, ...]
    writes: str
    params: type
    run: Run
    help: str
    commands: tuple[str, ...]
    done: str = "made"
    shown: Callable[[Any], Any] | None = lambda result: result
    load: Callable[[Any, tuple[Any, ...]], Any] | None = None
    models: Callable[[Any], tuple[Any, ...]] | None = None
    batch: str | None = None
    alike: str | None = None
    fit: Callable[[Any, Any, Mapping[str, Any]], Any] | None = None
    suffix: str | None = None
    packed: bool = False
    yields: str = ""
    uses: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None
    wanted: Callable[[Any], bool] | None = None
    at_once: Callable[[Any], int] | None = None
    dear: bool = False

    def needs(self) -> tuple[tuple[str, bool], ...]:
        """Return each artifact it reads, and whether the stage can do without."""
        return tuple((name.rstrip("?"), name.endswith("?")) for name in self.reads)

    def given(self, values: Mapping[str, Any]) -> "Stage":
        """Return the stage as it is with some values of its params: it reads what they use."""
        if self.uses is None:
            return self
        reads = self.uses(values)
        own = f"yours.{self.yields}" in {name.rstrip("?") for name in reads}
        return replace(self, reads=reads, yields="" if own else self.yields)


@dataclass(frozen=True)
class RequestedStage:
    """A stage with the params that a person gave it.

    Attributes:
        command: The subcommand that it is a part of.
    """

    stage: Stage
    params: Any
    command: str


def stage(
    *,
    version: int,
    reads: tuple[str, ...],
    writes: str,
    params: type,
    shape: Shape = Shape.MAP,
    commands: tuple[str, ...] = (),
    **more: Any,
) -> Callable[[Run], Stage]:
    """Declare the decorated function as the stage of its module; `more` are fields of Stage."""

    def declare(run: Run) -> Stage:
        name = run.__module__.rpartition(".")[2]
        first = (run.__doc__ or "").strip().partition("\n")[0]
        return Stage(
            name, version, shape, reads, writes, params, run, first, commands or (name,), **more
        )

    return declare


def param(
    default: Any,
    help: str,  # noqa: A002 - the word that Typer and readers know
    *,
    speed: bool = False,
    file: bool = False,
    path: bool = False,
    choices: tuple[str, ...] = (),
    **limits: float,
) -> Any:
    """Describe one field of a Params class.

    Args:
        default: Used unless an option or pipelines.yaml says otherwise.
        help: One line for `--help`.
        speed: Decides how fast, never which bytes: it stays out of the recipe.
        file: The value is a path; the stage is given the file's text (`FileText`), the recipe
            its digest.
        path: The value may be a path; it is resolved against the file it was written in.
        choices: The words it may be; empty for any.
        limits: ge, gt, le: checked whoever builds the params.
    """
    told = {"help": help, "speed": speed, "file": file, "path": path, "choices": choices}
    return field(default=default, metadata=told | {"limits": limits})


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    """Return stages so that each comes after those whose artifacts it reads; views come last."""
    left = sorted(
        stages, key=lambda stage: (stage.shape in (Shape.SIDECAR, Shape.VIEW), stage.name)
    )
    ordered: list[Stage] = []
    while left:
        written = {stage.writes for stage in left if stage.shape in (Shape.MAP, Shape.DECISION)}
        ready = next(
            (s for s in left if not (written - {s.writes}) & {name for name, _ in s.needs()}),
            left[0],
        )
        left.remove(ready)
        ordered.append(ready)
    return ordered
