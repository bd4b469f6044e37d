"""One folder, its ledger and the steps asked of it: what every command shares."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.engine import traces
from prep.engine.inventory import dataset_edits
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.inventory import DROP, Baseline, Inventory
from prep.engine.inventory.lineage import SourceFolders, inherit
from prep.engine.inventory.location import Location
from prep.engine.inventory.planes import Planes
from prep.engine.inventory.read import read_pictures
from prep.engine.inventory.read_texts import read_texts
from prep.engine.inventory.scan import scan
from prep.engine.inventory.written import Written
from prep.engine.plan import PlannedStage, StagePlan, plan_map, plan_set
from prep.engine.state import artifacts
from prep.engine.state.digest_cache import Digests
from prep.engine.state.file_stat import clock, path_in
from prep.engine.state.ledger import Ledger
from prep.engine.state.ledger_queries import Edit
from prep.engine.state.recipe import Made, base_text
from prep.engine.values import Values
from prep.images import picture_file
from prep.models.locate import Ask, FoundModel, Models
from prep.runtime.console import Console
from prep.runtime.keys import nfc
from prep.stage import PIXELS, RequestedStage, Shape, Stage


@dataclass(frozen=True)
class Job:
    """What is asked of one folder.

    Attributes:
        location: The folder that later stages read; a fan-out writes it.
        asked: The stages in order.
        meta: The dataset file at the head of the chain; None where no stage writes one.
        source: Where a fan-out reads; None for every other job.
        told_by: The dataset file that tells how the stages were asked last where none writes one
            and the memory was lost; it need not be there.
    """

    location: Location
    asked: tuple[RequestedStage, ...]
    meta: Path | None = None
    source: Location | None = None
    told_by: Path | None = None


@dataclass(frozen=True)
class Context:
    """What surrounds a run.

    Attributes:
        stages: Every stage there is, by name.
        models: Where models are found.
        jobs: Decoding processes.
        accept_missing: A fifth of the pictures may vanish at once.
        looking: Only to say what would be done: no model is downloaded, none is read for long.
        names_meta: By what a person names the dataset file.
    """

    stages: Mapping[str, Stage]
    models: Models
    console: Console
    jobs: int = 2
    accept_missing: bool = False
    looking: bool = False
    names_meta: str = "`--out`"


@dataclass
class Session:
    """A job with the dataset that it meets.

    Attributes:
        baseline: What the ledger knew, where it is to be told that the disk says something else.
        unchanged: The disk says what the ledger knew.
        counts: Stage -> how many results are kept and how many a person's.
    """

    job: Job
    context: Context
    ledger: Ledger
    inventory: Inventory
    written: Written
    values: Values
    digests: Digests
    baseline: Baseline | None = None
    recipes: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    unchanged: bool = False
    counts: dict[str, list[int]] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)

    def step(self, asked: RequestedStage) -> PlannedStage:
        """Return a stage ready to be planned: its models found, its recipe numbered."""
        asks = asked.stage.models(asked.params) if asked.stage.models else ()
        look = self._looked_up if self.context.looking else self._found
        found, digests = look(asks)
        decoded = _decodes(asked.stage) and any(name in PIXELS for name in asked.stage.reads)
        pixels = picture_file.VERSION if decoded else 0
        text = base_text(asked.stage, asked.params, digests, pixels)
        return PlannedStage(asked.stage, asked.params, self.number(text), found, asked.command)

    def _found(self, asks: Sequence[Ask]) -> tuple[tuple[FoundModel, ...], tuple[str, ...]]:
        """Return the models and their digests, downloaded and read where that has to be."""
        models = self.context.models
        found = tuple(models.find(ask) for ask in asks)
        return found, tuple(models.digest(model) for model in found)

    def _looked_up(self, asks: Sequence[Ask]) -> tuple[tuple[FoundModel, ...], tuple[str, ...]]:
        """Return the same without a download or the reading of large files; notes say what waits.

        A digest that is not known yet is that of no model: what depends on it is to be run.
        """
        models, digests = self.context.models, []
        there = [(ask, models.at_hand(ask)) for ask in asks]
        for ask, model in there:
            known = model is not None and models.known(model)
            digests.append(models.digest(model) if model is not None and known else "")
            if model is None:
                self.notes[f"`{ask.name}` is not on this machine yet: the run downloads it"] = None
            elif not known:
                self.notes[f"`{ask.name}` was not read yet: the run reads it first"] = None
        return tuple(model for _, model in there if model is not None), tuple(digests)

    def number_for_good(self, step: PlannedStage) -> PlannedStage:
        """Return the step with its recipe's common part known to the ledger."""
        if step.base > 0:
            return step
        text = next(text for text, number in self._ids.items() if number == step.base)
        with self.ledger.batch():
            number = self.ledger.recipe(text)
        self._ids[text] = number
        self.recipes[number] = self.recipes[step.base]
        return PlannedStage(step.stage, step.params, number, step.found, step.command)

    def plan(self, step: PlannedStage) -> StagePlan:
        """Return what a map, decision or sidecar step has to do now."""
        stage = step.stage
        dropped = {} if self.inventory.declared.shows_dropped(stage) else self.dropped()
        keys = [key for key in self.inventory.digests if key not in dropped]
        if stage.shape is Shape.DECISION:
            return plan_set(step, self.values, keys, self.recipes)
        return plan_map(step, self.values, keys, self.recipes, self.present(stage))

    def present(self, stage: Stage) -> Callable[[Made], bool]:
        """Return a function that tells whether a result's file is there as we wrote it."""
        if stage.shape is Shape.FAN_OUT:
            return self._derived_there()
        if stage.suffix is None:
            return lambda made: True

        def there(made: Made) -> bool:
            path = self.job.location.state / large_file(stage, made.digest)
            return self.digests.of(str(path.absolute())) == made.digest

        return there

    def _derived_there(self) -> Callable[[Made], bool]:
        """Return what tells whether every picture that was made of a source is there."""
        root = self.job.location.root
        there = {nfc(name) for name in scan(root, ()).pictures} if root.is_dir() else set()

        def all_there(made: Made) -> bool:
            if made.state != "made":
                return True
            children = artifacts.loaded(self.ledger.body(made.digest))
            return all(child["name"] in there for child in children)

        return all_there

    def dropped(self) -> dict[str, str]:
        """Return key -> how a person took it out: in a field, or of a dataset file.

        In a fan-out it is what they took out of the folder that it reads.
        """
        if self.job.source is not None:
            return dict(self.values.source.dropped()) if self.values.source else {}
        takes_out = self.inventory.declared.takes_out
        return {
            key: f"dropped in {edit.source}"
            for (key, name), edit in self.written.edits.items()
            if (name == DROP or (name in takes_out and edit.value == takes_out[name]))
            and key in self.inventory.digests
        }

    def sidecar_read(self, key: str, suffix: str) -> str:
        """Return the absolute path of a sample's sidecar to read, also beside a picture."""
        name, folder = self.inventory.sidecar(key, suffix), self.inventory.folder
        if name in self.written.beside:
            return path_in(folder.root, folder.sidecars[name])
        return self.inventory.sidecar_file(key, suffix)

    def edit(self, at: tuple[str, str], edit: Edit | None) -> None:
        """Let the ledger, inside a batch, and all else know what a person wrote; None: nothing."""
        self.ledger.edit(*at, edit)
        self.written.edit(at, edit)
        self.values.forget_persons()

    def know_recipes(self) -> None:
        """Read the recipes that the ledger knows, once."""
        if not self._ids:
            self._ids.update({known: number for number, known in self.ledger.recipes().items()})
            self.recipes.update({number: json.loads(known) for known, number in self._ids.items()})

    def number(self, text: str) -> int:
        """Return the number of a recipe's common part; a negative one until the ledger knows it."""
        self.know_recipes()
        if text not in self._ids:
            number = -1 - len(self._ids)
            self._ids[text] = number
            self.recipes[number] = json.loads(text)
        return self._ids[text]


def open_session(
    job: Job, context: Context, ledger: Ledger, digests: Digests | None = None
) -> tuple[Session, Baseline]:
    """Return a job with the dataset as it is now, and what the ledger knew. Writes nothing.

    Args:
        digests: Those of its files, where another ledger remembers them.
    """
    for note in ledger.notes:
        context.console.note(note)
    # Files of state live beside the pictures: both share one clock.
    digests = digests or Digests(ledger, clock(job.location.state))
    declared, missing = Declarations(context.stages), context.accept_missing
    inventory, written, baseline = read_pictures(
        job.location, ledger, digests, declared, accept_missing=missing
    )
    traces.check_ledger(job.meta, inventory, baseline.samples)
    inventory = read_texts(inventory, written, baseline, ledger.intents(), digests)
    sources = SourceFolders(declared.texts, digests)
    inherit(inventory, written, sources)
    if job.meta is not None:
        inventory = dataset_edits.read_back(job.meta, inventory, written, digests)
    producers = {
        stage.writes: stage
        for stage in context.stages.values()
        if stage.shape in (Shape.MAP, Shape.DECISION)
    }
    planes = Planes(inventory, sources, digests)
    values = Values(inventory, written.edits, ledger, producers, planes)
    values.sparing = not baseline.samples
    values.lost = traces.any_of(job.meta, inventory, written.outputs)
    return Session(job, context, ledger, inventory, written, values, digests), baseline


def large_file(stage: Stage, digest: str) -> str:
    """Return where a large result lies, relative to the state folder: named by its content."""
    return f"{stage.writes}/{digest[:2]}/{digest[:32]}{stage.suffix}"


def _decodes(stage: Stage) -> bool:
    return stage.shape in (Shape.MAP, Shape.FAN_OUT)
