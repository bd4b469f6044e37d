"""The contract of a stage: what it reads, what it writes, its params. Imports nothing of ours.

A stage is a value. Whoever plans, runs, explains, documents or tests it reads the same
declaration; a file in `prep/stages` that holds one is all there is to add.

Artifacts of a sample are named by the stages that write them. Some are there without a stage:
`image` (the picture: upright RGB in a map; in a fan-out without its pixels, to be cut by `crop`
and mirrored; what else a fan-out reads is of its source folder), `mask_file` (RGB of the mask
beside it, `x.mask.png`, or beside that which it was cut from, cut and mirrored alike) and `alpha`
(its own, or that of what it was cut from, as grey RGB: white is opaque; of a picture without a
mask), both of a map alone; beside these `size` (the picture's upright width and height, px) and
`warnings` (what was ignored when it was opened: sentences); `digest` (SHA-256 of its file), `key`,
`lineage` (where a derived picture comes from), the person's own fields (`keep`, `weight`, ...),
`yours.NAME`, what a person wrote for an artifact that a stage makes too, and `meta.NAME`, what they
wrote for it into a dataset file.
In `reads`, a name that ends in `?` may be absent: the stage is then given None.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

Run = Callable[..., Any]

# What is there without a stage, and what names of what a person wrote begin with.
IMAGE, SIZE, WARNINGS, DIGEST = "image", "size", "warnings", "digest"
KEY, LINEAGE = "key", "lineage"
MASK_FILE, ALPHA = "mask_file", "alpha"
MASK_SUFFIX = ".mask.png"  # ends the name of a mask, in place of the picture's own ending
PIXELS = (IMAGE, MASK_FILE, ALPHA)  # a stage reads at most one of these
WITH_PIXELS = (SIZE, WARNINGS)  # what is known of a picture once it is decoded
YOURS = "yours."
IN_DATASET = "meta."


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
class Nothing:
    """Returned by a stage in place of a value: the sample has none, which is in order (`name?`)."""


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
        image: The picture, cut or mirrored; None where `name` is empty or there are `steps`.
        box: (left, top, right, bottom) px in the source picture; of a turned one, before the turn.
        flip: Mirrored left to right.
        steps: `prep.images.pixel_steps` from the source, where it is not only cut and mirrored.
        about: What else its lineage tells: `part`, `detector`; `share` multiplies its weight.
    """

    name: str
    image: Any
    box: tuple[int, int, int, int]
    flip: bool = False
    steps: tuple[Any, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """What a view is made of.

    Attributes:
        rows: Key -> artifact -> value, for every sample that has all the view needs, in the order
            of keys; each is read anew when it is asked for: no view holds them all.
        left_out: Key -> the reason why a sample is not in `rows`.
        facts: About the whole: file (its name), root, state, program, made_by, previous (bytes).
        failed: Artifact that the view can do without -> key -> why no stage could make it today.
        columns: For a sheet: name -> `prep.sheets.columns.Column`, in their order.
    """

    rows: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]
    facts: Mapping[str, Any]
    failed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)


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
class PersonsField:
    """What a person may write of a sample.

    Attributes:
        name: The artifact that their words stand for.
        suffix: Ending of the text file beside a picture that holds it; empty for none.
        drops: The words that take the sample out of the dataset; None where none do.
    """

    name: str
    suffix: str = ""
    drops: str | None = None


@dataclass(frozen=True)
class NoParams:
    """The params of a stage that leaves nothing to choose."""


@dataclass(frozen=True)
class Stage:
    """A declared step from some artifacts of a sample to another one.

    Attributes:
        name: The name of its file.
        version: Raised by hand whenever the same input and params give other bytes.
        reads: Artifact names, in the order of `run`'s positional arguments.
        inputs_for: From the values of params, those of `reads` that a run with them uses; `run` is
            given one row of these, by name. None: all, one after the other. Of an older run's
            values, some may be absent, and of a file there is only the digest.
        writes: The artifact it makes; for a view, the file: a sheet's name, or that of a dataset
            file unless a person names another one.
        help: First line of the function's docstring.
        commands: The subcommands that run it; its own name unless it says otherwise.
        done: What a run says of its results, after their number: `15 scored`; empty: nothing.
        remark: Of a decision: from its rows, what a run says besides; empty: nothing.
        proposes: From a result, what sheets show under `keep` until a person says yes or no; it
            begins as `prep.sheets.columns.PROPOSALS` do, or is empty. None: it proposes nothing.
        shown: From a result, what `prep why` shows a person of it; None: nothing.
        load: Builds what `run` receives last, from the params and the models found.
        models: The models.Ask values its results depend on, from the params.
        batch: Name of the param with the number of samples a call takes; None for one at a time.
        enabled: From the params, whether they ask for the stage at all; None: they always do.
        concurrency: From the params, how many calls of one sample may wait, in threads, for an
            answer from elsewhere; 0: calls of `batch` samples, one by one.
        flush_each: What came of a call took so long that it is made durable before the next one.
        group_by: Artifact whose value all samples of a batch share.
        fit: From the params, what `load` built (or None) and what else is read of the sample, by
            name: the steps of `prep.images.fitting` that `image` has gone through, in the decoder,
            when `run` gets it (of a fan-out, its `small`, by params alone); None: it is whole.
        suffix: Kept as a file of this suffix in the state folder; None: in the ledger.
        packed: The value is bytes, not JSON.
        superseded_by: The artifact that, where a person wrote it, makes this one unnecessary.
        column: How sheets show what it writes and take back edits of it, a
            `prep.sheets.columns.Column` of its name; None: they do not.
        link: What a dataset file's name adds to the first of the chain (`_lat`); of a sheet None.
        main: The sheet that is there without being asked for.
        fields: What a person may write that is declared here.
        about: Name of a file of its own beside the pictures, but a sheet -> what it is, with its
            `{path}`.
    """

    name: str
    version: int
    reads: tuple[str, ...]
    writes: str
    run: Run
    help: str
    commands: tuple[str, ...]
    params: type = NoParams
    shape: Shape = Shape.MAP
    done: str = "made"
    remark: Callable[[Mapping[str, Any]], str] | None = None
    proposes: Callable[[Any], str] | None = None
    shown: Callable[[Any], Any] | None = lambda result: result
    load: Callable[[Any, tuple[Any, ...]], Any] | None = None
    models: Callable[[Any], tuple[Any, ...]] | None = None
    batch: str | None = None
    group_by: str | None = None
    fit: Callable[[Any, Any, Mapping[str, Any]], Any] | None = None
    suffix: str | None = None
    packed: bool = False
    superseded_by: str = ""
    inputs_for: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None
    enabled: Callable[[Any], bool] | None = None
    concurrency: Callable[[Any], int] | None = None
    flush_each: bool = False
    column: Any = None
    link: str | None = None
    main: bool = False
    fields: tuple[PersonsField, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    def needs(self) -> tuple[tuple[str, bool], ...]:
        """Return each artifact it reads, and whether the stage can do without."""
        return tuple((name.rstrip("?"), name.endswith("?")) for name in self.reads)

    def given(self, values: Mapping[str, Any]) -> "Stage":
        """Return the stage as it is with some values of its params: it reads what they use."""
        if self.inputs_for is None:
            return self
        reads = self.inputs_for(values)
        own = f"{YOURS}{self.superseded_by}" in {name.rstrip("?") for name in reads}
        return replace(self, reads=reads, superseded_by="" if own else self.superseded_by)

    def arguments(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what `run` is called with for a sample whose `reads` have these values."""
        if self.inputs_for is None:
            return values
        names = (name for name, _ in self.needs())
        return (dict(zip(names, values, strict=True)),)


@dataclass(frozen=True)
class RequestedStage:
    """A stage with the params that a person gave it.

    `command` is the subcommand that it is a part of.
    """

    stage: Stage
    params: Any
    command: str


def stage(commands: tuple[str, ...] = (), **declared: Any) -> Callable[[Run], Stage]:
    """Declare the decorated function as the stage of its module; `declared` are fields of Stage."""

    def declare(run: Run) -> Stage:
        name = run.__module__.rpartition(".")[2]
        first = (run.__doc__ or "").strip().partition("\n")[0]
        return Stage(name=name, run=run, help=first, commands=commands or (name,), **declared)

    return declare


def param(
    default: Any,
    help: str,  # noqa: A002 - the word that Typer and readers know
    *,
    speed: bool = False,
    file: bool = False,
    path: bool = False,
    model: bool = False,
    later: bool = False,
    choices: tuple[str, ...] = (),
    **limits: float,
) -> Any:
    """Describe one field of a Params class.

    Args:
        default: Used unless an option or pipelines.yaml says otherwise.
        help: One line for `--help`.
        speed: Decides how fast, never which bytes: it stays out of the recipe.
        file: The value is a path; the stage is given the file's text (see
            `prep.runtime.text_files.FileText`), the recipe its digest.
        path: The value may be a path; it is resolved against the file it was written in.
        model: The value names a model, perhaps by a path; recipes know it by its digest alone.
        later: There were results before there was this param: those of its default, which stand.
        choices: The words it may be; empty for any.
        limits: ge, gt, le: checked whoever builds the params.
    """
    told = {"help": help, "speed": speed, "file": file, "path": path or model, "model": model}
    more = {"later": later, "choices": choices, "limits": limits}
    return field(default=default, metadata=told | more)
