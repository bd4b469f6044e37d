"""What a fan-out knows of its source pictures besides their pixels: the artifacts of their folder.

They are those of the folder's own ledger, which is only read. What was made of something that has
changed since says nothing: it is as if it had not been made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prep.engine.session import Session
from prep.engine.state.recipe import ABSENT, same_inputs
from prep.stage import WITH_PIXELS, Shape, Stage


@dataclass
class SourceValues:
    """The artifacts of a source folder, by name and key.

    Attributes:
        session: The folder that a fan-out reads, with all that is known of it.
    """

    session: Session
    _found: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def digests(self, name: str) -> Mapping[str, str]:
        """Return key -> digest of an artifact, or WAITS, for every sample that has one of today."""
        if name not in self._found:
            self._found[name] = {}  # nothing reads what it makes, but none may turn in a circle
            self._found[name] = self._standing(name)
        return self._found[name]

    def value(self, name: str, key: str) -> Any:
        """Return an artifact's value, or None where there is none of today."""
        return self.session.values.value(name, key) if key in self.digests(name) else None

    def dropped(self) -> dict[str, str]:
        """Return key -> how a person took a picture out of the folder."""
        return self.session.dropped()

    def expect(self, waiting: Mapping[str, frozenset[str]]) -> None:
        """Take the results of some stages for yet to be made: stage -> keys."""
        self.session.values.pending |= waiting
        self._found.clear()

    def close(self) -> None:
        """Close the folder's ledger."""
        self.session.ledger.close()

    def _standing(self, name: str) -> Mapping[str, str]:
        values = self.session.values
        found, persons = values.digests(name), values.persons(name)
        producer = values.producers.get(name)
        if producer is None or producer.shape is not Shape.MAP:
            return found
        waiting = values.pending.get(producer.name, frozenset())
        return {
            key: digest
            for key, digest in found.items()
            if key in persons or key in waiting or self._is_of_today(producer, key)
        }

    def _is_of_today(self, producer: Stage, key: str) -> bool:
        """Return whether a result was made of what is there now."""
        made = self.session.values.made(producer.name)[key]
        asked = self.session.recipes.get(made.base, {}).get("params")
        needs = (producer if asked is None else producer.given(asked)).needs()
        now = [self._digest(name, key) for name, _ in needs if name not in WITH_PIXELS]
        return same_inputs(made.inputs, " ".join(now))

    def _digest(self, name: str, key: str) -> str:
        return self.digests(name).get(key, ABSENT)
