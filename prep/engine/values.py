"""What is known of every sample: digests and values of its artifacts."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from sys import intern
from typing import Any, Protocol, TypeVar

from prep.engine.inventory.inventory import Inventory
from prep.engine.inventory.planes import Plane, Planes
from prep.engine.state import artifacts
from prep.engine.state.ledger import Ledger
from prep.engine.state.ledger_queries import Edit
from prep.engine.state.recipe import ABSENT, WAITS, Made
from prep.stage import ALPHA, DIGEST, IMAGE, KEY, LINEAGE, MASK_FILE, WITH_PIXELS, YOURS, Stage

T = TypeVar("T")
_GONE = "gone"  # stands for a file that cannot be read


class SourceArtifacts(Protocol):
    """The artifacts of a folder that a fan-out reads; see `prep.engine.source_values`."""

    def digests(self, name: str) -> Mapping[str, str]:
        """Return key -> digest of an artifact."""

    def value(self, name: str, key: str) -> Any:
        """Return an artifact's value; None: there is none."""

    def dropped(self) -> Mapping[str, str]:
        """Return key -> how a person took a picture out."""

    def expect(self, waiting: Mapping[str, frozenset[str]]) -> None:
        """Take the results of some stages for yet to be made."""

    def close(self) -> None:
        """Let go of the folder's ledger."""


@dataclass
class Values:
    """The digests of every artifact of every sample, as far as they are known.

    Attributes:
        edits: (key, field) -> what a person wrote.
        producers: Artifact -> the stage that writes it.
        pending: Stage name -> keys whose result is to be made first.
        lost: There are files of ours that the ledger does not know: texts may be ours, too.
        source: Of a fan-out, what its source folder knows of the pictures.
        sparing: Results of one stage are held at a time: in a run that makes them all, reading
            them again costs little.
    """

    inventory: Inventory
    edits: Mapping[tuple[str, str], Edit]
    ledger: Ledger
    producers: Mapping[str, Stage]
    planes: Planes | None = None
    pending: dict[str, frozenset[str]] = field(default_factory=dict)
    lost: bool = False
    source: "SourceArtifacts | None" = None
    sparing: bool = False
    _made: dict[str, dict[str, Made]] = field(default_factory=dict)
    _any: dict[str, bool] = field(default_factory=dict)
    _told: dict[str, dict[str, str]] = field(default_factory=dict)
    _persons: dict[str, dict[str, str]] = field(default_factory=dict)

    def made(self, stage: str) -> dict[str, Made]:
        """Return key -> the ledger's result of a stage, renamed keys included."""
        if stage not in self._made:
            if self.sparing:
                self._made.clear()
            self._made[stage] = self._standing(stage, self._renamed(self.ledger.made(stage)))
        return self._made[stage]

    def result(self, stage: str, key: str) -> Made | None:
        """Return one result; where others are not held, they are not read for it."""
        if stage in self._made:
            return self._made[stage].get(key)
        if stage not in self._any:
            self._any[stage] = self.ledger.has_results(stage)
        if not (self._any[stage] and self._standing(stage, {key: None})):
            return None
        found, before = self.ledger.result(stage, key), self._names_before.get(key)
        return self.ledger.result(stage, before) if found is None and before else found

    @cached_property
    def _names_before(self) -> dict[str, str]:
        return {new: old for old, new in self.inventory.renamed}

    def unmade(self, stage: str) -> dict[str, Made]:
        """Return those of the samples that a stage rejected or failed of."""
        return self._standing(stage, self._renamed(self.ledger.unmade(stage)))

    def _standing(self, stage: str, rows: dict[str, T]) -> dict[str, T]:
        """Return results without those of masks that are gone: these say nothing any more."""
        by_name = (one for one in self.producers.values() if one.name == stage)
        needs = next((one.needs() for one in by_name), ())
        for name, optional in needs:
            if name in (MASK_FILE, ALPHA) and not optional and rows:
                there = self.digests(name)
                rows = {key: row for key, row in rows.items() if key in there}
        return rows

    def plane(self, name: str, key: str) -> Plane:
        """Return where the pixels of a picture come from, or those of its mask or alpha."""
        if name == IMAGE:
            folder = self.inventory.folder
            file = os.path.join(os.path.abspath(folder.root), folder.pictures[key])
            return Plane(file, self.inventory.digests[key], ())
        found, gone = self.planes.of(name) if self.planes else ({}, {})
        return found[key] if key in found else gone[key]

    def _planes(self, name: str) -> dict[str, str]:
        """Return key -> digest of masks or alphas; where the source is gone, that of before."""
        found, gone = self.planes.of(name) if self.planes else ({}, {})
        told = {key: plane.told() for key, plane in found.items()}
        for stage in self.producers.values() if gone else ():
            names = [need for need, _ in stage.needs() if need not in WITH_PIXELS]
            for key in gone if name in names else ():
                row = self.ledger.result(stage.name, key)
                if row is not None and row.inputs:
                    told[key] = row.inputs.split(" ")[names.index(name)]
                elif row is not None or name == ALPHA:  # it cannot be made, and must be told
                    told.setdefault(key, _GONE)
        masked = self.digests(MASK_FILE) if name == ALPHA else {}
        return {key: digest for key, digest in told.items() if key not in masked}

    def states(self, stage: str) -> dict[str, str]:
        """Return key -> made, nothing, rejected or failed, of results; no row is read whole."""
        today = dict(self.inventory.renamed)
        found = {today.get(key, key): state for key, state in self.ledger.states(stage)}
        return self._standing(stage, found)

    def _renamed(self, rows: dict[str, Made]) -> dict[str, Made]:
        for old, new in self.inventory.renamed:
            if old in rows:
                rows[new] = rows.pop(old)
        return rows

    def forget(self, stage: str) -> None:
        """Read a stage's results anew next time: they changed."""
        self._made.pop(stage, None)
        self._any.pop(stage, None)

    def persons(self, name: str) -> dict[str, str]:
        """Return key -> digest of what a person wrote for an artifact."""
        if not self._persons:
            for (key, at), edit in self.edits.items():
                digest = artifacts.digest_of(self.inventory.declared.value(at, edit.value))
                self._persons.setdefault(at, {})[key] = intern(digest)
        return self._persons.get(name, {})

    def decided(self, name: str) -> Mapping[str, str]:
        """Return the same without texts that may be the machine's: it has to be asked again."""
        found, edits = self.persons(name), self.edits
        return {k: d for k, d in found.items() if edits[k, name].proven} if self.lost else found

    def machines(self, name: str, key: str) -> Any:
        """Return what the machine says for an artifact, whatever a person wrote; None: nothing."""
        producer = self.producers.get(name)
        made = self.result(producer.name, key) if producer else None
        if producer is None or made is None or made.state != "made":
            return None
        if producer.suffix is not None:
            return made
        body = self.ledger.body(made.digest)
        return body if producer.packed or body is None else artifacts.loaded(body)

    def forget_persons(self) -> None:
        """Read what people wrote anew next time: it changed."""
        self._persons.clear()

    def digests(self, name: str) -> Mapping[str, str]:
        """Return key -> digest of an artifact, or WAITS, for every sample that has it."""
        if name in (IMAGE, DIGEST):
            return self.inventory.digests
        if name == KEY:
            return {key: artifacts.digest_of(key) for key in self.inventory.digests}
        if self.source is not None:
            return self.source.digests(name)
        if name in (MASK_FILE, ALPHA):
            if name not in self._told:
                self._told[name] = self._planes(name)
            return self._told[name]
        if name == LINEAGE:
            return {key: artifacts.digest_of(told) for key, told in self.inventory.lineage.items()}
        if name.startswith(YOURS):
            return self.persons(name.removeprefix(YOURS))
        return self._results(name)

    def _results(self, name: str) -> Mapping[str, str]:
        """Return the same of what a person wrote, else a stage made or has yet to make."""
        persons = self.persons(name)
        producer = self.producers.get(name)
        if producer is None:
            return persons
        rows = self.made(producer.name).items()
        found = {key: made.digest for key, made in rows if made.state == "made"}
        found |= dict.fromkeys(self.pending.get(producer.name, ()), WAITS)
        return found | persons if persons else found

    def digest(self, name: str) -> Callable[[str], str]:
        """Return a function from a key to an artifact's digest, ABSENT or WAITS."""
        found = self.digests(name)
        return lambda key: found.get(key, ABSENT)

    def value(self, name: str, key: str) -> Any:
        """Return an artifact's value, or None where there is none. Not for pixels."""
        if name == DIGEST:
            return self.inventory.digests[key]
        if name == KEY:
            return key
        if self.source is not None:
            return self.source.value(name, key)
        if name == LINEAGE:
            return self.inventory.lineage.get(key)
        own = name.removeprefix(YOURS)
        edit = self.edits.get((key, own))
        if edit is not None:
            return self.inventory.declared.value(own, edit.value)
        return self.machines(name, key)

    def failures(self, name: str) -> dict[str, str]:
        """Return key -> why, for the samples whose artifact a stage could not make today.

        What a command's own stages failed of counts, not that an earlier command did nothing.
        """
        last = self.producers.get(name)
        stages = {} if last is None else {last.name: last}
        whys: dict[str, str] = {}
        for stage in (left := list(stages.values())):
            rows = self.unmade(stage.name).items()
            whys |= {key: made.why for key, made in rows if made.state == "failed"}
            for before in map(self.producers.get, dict(stage.needs())):
                if before and before.name not in stages and before.commands == stage.commands:
                    stages[before.name] = before
                    left.append(before)
        found = self.digests(name) if whys else {}
        lost = (key for key in whys if key in self.inventory.digests and key not in found)
        return {key: whys[key].replace("\n", "; ") for key in lost}

    def why_absent(self, name: str, key: str) -> str:
        """Return why a sample lacks an artifact, in the person's words."""
        producer = self.producers.get(name)
        seen = 0
        while producer is not None and seen < 20:
            made = self.result(producer.name, key)
            if made is not None and made.state != "made":
                return made.why.replace("\n", "; ")
            needed = [need for need, optional in producer.needs() if not optional]
            producer = self.producers.get(needed[0]) if needed else None
            seen += 1
        return f"it has no {name} yet"
