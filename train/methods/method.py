"""The contract of a method: what learns beside or in a base model, and what becomes of it.

The loop, the checks and the metadata ask this record, and know no method by name.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from train.adapters.lora_dropout import Showing, no_dropout
from train.config import Config
from train.data.dataset import Data
from train.families.family import Base, Family
from train.option_fields import Options

Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]


class Sizes(NamedTuple):
    """How many numbers a method handles.

    Attributes:
        learn: That learn, and that a checkpoint holds.
        written: That an export holds.
    """

    learn: int
    written: int


@dataclass(frozen=True)
class Export:
    """An export that is to be written.

    Attributes:
        path: Where.
        base: The base model with what was trained in it.
        source: The base model's folder or file.
        metadata: What the export says of itself.
    """

    path: Path
    base: Base
    family: Family
    config: Config
    source: Path
    metadata: Mapping[str, str]


def learns(name: str, family: Family, config: Config) -> bool:
    """Return whether a module or weight is in a block that learns; see `Family.block`."""
    return not config.block_rates or config.block_rate(family.block(name)) > 0


def learning_parts(base: Base, config: Config) -> dict[str, Any]:
    """Return the modules that something learns in or beside: the network under no name."""
    return {"": base.network, **(base.encoders if config.text_encoder else {})}


def learning_shapes(config: Config, family: Family, shapes: Shapes) -> Shapes:
    """Return the shapes of the weights in blocks that learn, of the network under no name."""
    found = {"": shapes[family.network]}
    found |= {part: shapes[part] for part in family.encoders if config.text_encoder}
    return {
        part: {
            name: shape
            for name, shape in each.items()
            if learns(f"{part}.{name}" if part else name, family, config)
        }
        for part, each in found.items()
    }


class Publish(Protocol):
    """(export) -> None."""

    def __call__(self, export: Export) -> None:
        """Write an export, and prove it before it gets its name.

        Raises:
            ProofError: It reads back as something else than what was trained.
            MachineError: The disk is full.
        """


@dataclass(frozen=True)
class Method:
    """One way of training.

    Attributes:
        name: As it is typed after `train`.
        about: What its command does: the first line of its help.
        made: What it makes, as in `a LoRA on` a base model.
        known_as: What kohya's scripts call it.
        options: The record of its own options: all have defaults.
        usual_rate: The learning rate where neither a person nor the optimizer names one.
        architecture: What follows the base model's word in `modelspec.architecture`.
        precision: Settings -> torch's name of the numbers that the base model is opened in.
        attach: (base, family, config) -> None: let it learn; see `Base.learning`.
        sizes: (config, family, shapes of the weights by part and name) -> how many numbers.
        ending: Settings -> the suffix of its export; empty for a folder.
        publish: Writes an export.
        apply: (path, base, family) -> None: give a base model that has learned an export's numbers.
        metadata: Settings -> the `ss_*` fields that are its own.
        form: Settings -> how the export holds a whole model, `folder` or `file`; empty where it
            holds none.
        share: (name of a weight, settings) -> its learning rate over that of its part.
        of_parts: Whether it trains parts of the base model: blocks, and text encoders on request.
        trains: Whether it trains base models of a family.
        faults: Settings that are good alone -> message and hint of what is wrong with them.
        settled: (settings, samples) -> both, with what only the one tells of the other. Raises
            ConfigError where they do not go together.
        counted: (text, settings) -> a text of as many tokens as it has where it trains.
        reads: Settings -> whether something learns that texts are read by.
        notes: (settings, samples, place of the base model) -> what a person should know.
        prompt_word: How prompts name its export, as in `<lora:name:1>`; empty where they do not.
        shards: Whether its weights may be split over several processes.
        alone: (base) -> a block in which the base model is as it was before it learned; None where
            there is no adapter that can be put aside.
        starts: Settings -> the file that its first numbers are from, or None.
        check_start: (file, settings, family, shapes as `sizes` has them, or none) -> None: raise
            where it cannot begin from that file.
        begin: (file, base, family) -> None: give what learns the numbers of the file.
        showing: (base, settings) -> what it has to be told of each pass: (step, places of the
            samples) -> a block in which they are shown.
        limit: (base, settings) -> what is called after each step, to keep weights within bounds.
    """

    name: str
    about: str
    made: str
    options: Callable[..., Options]
    precision: Callable[[Config], str]
    attach: Callable[[Base, Family, Config], None]
    sizes: Callable[[Config, Family, Shapes], Sizes]
    ending: Callable[[Config], str]
    publish: Publish
    apply: Callable[[Path, Base, Family], None]
    metadata: Callable[[Config], Mapping[str, str]]
    known_as: tuple[str, ...] = ()
    usual_rate: float = 1e-4
    architecture: str = ""
    form: Callable[[Config], str] = lambda config: ""
    share: Callable[[str, Config], float] = lambda name, config: 1.0
    of_parts: bool = True
    trains: Callable[[Family], bool] = lambda family: True
    faults: Callable[[Config], Iterable[tuple[str, str]]] = lambda config: ()
    settled: Callable[[Config, Data], tuple[Config, Data]] = lambda config, data: (config, data)
    counted: Callable[[str, Config], str] = lambda text, config: text
    reads: Callable[[Config], bool] = lambda config: config.text_encoder
    notes: Callable[[Config, Data, Path], Iterable[str]] = lambda config, data, place: ()
    prompt_word: str = ""
    shards: bool = False
    alone: Callable[[Base], AbstractContextManager[None]] | None = None
    starts: Callable[[Config], Path | None] = lambda config: None
    check_start: Callable[[Path, Config, Family, Shapes], None] = lambda *given: None
    begin: Callable[[Path, Base, Family], None] = lambda *given: None
    showing: Callable[[Base, Config], Showing] = lambda base, config: no_dropout
    limit: Callable[[Base, Config], Callable[[], None]] = lambda base, config: lambda: None
