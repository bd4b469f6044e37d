"""What `prep edit` changes: the text files of a folder, or the samples of a dataset file."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from prep.dataset import dataset_file
from prep.dataset.chain import LINKS, head_of, link_of
from prep.edits import lookups
from prep.edits.diff import Change
from prep.edits.record import Picture
from prep.engine.bulk_edits import meta_file
from prep.engine.compute import outcomes
from prep.engine.inventory.location import Place
from prep.engine.report import Report
from prep.engine.run import take_step
from prep.engine.session import Leg, Order
from prep.engine.state.edit_batch import Operation, TextFile, Word
from prep.engine.state.ledger_queries import Edit
from prep.pipeline import jobs
from prep.pipeline.config import Pipeline
from prep.runtime import text_files
from prep.runtime.errors import DatasetError
from prep.runtime.files import MOST_TABLE, content, digest_bytes
from prep.stage import Asked
from prep.tags import tag_text

_NOT_BESIDE = "prep edit"  # where words come from that no file beside the picture holds


class Target(Protocol):
    """What an edit is for."""

    @property
    def order(self) -> Order:
        """Return what to open."""

    @property
    def shown(self) -> str:
        """Return its path as a person knows it."""

    def pictures(self, leg: Leg, needs: Collection[str], wet: bool) -> dict[str, Picture]:
        """Return key -> picture with all that a filter needs of it; `wet`: results are kept."""

    def conflicts(self, leg: Leg, change: Change) -> bool:
        """Return whether two edits by people wait for a decision where this one would write."""

    def operation(self, leg: Leg, changes: Iterable[Change], said: str) -> Operation:
        """Return changes as an operation."""


@dataclass(frozen=True)
class FolderTarget:
    """The text files beside pictures.

    Attributes:
        tagger: Whose scores a filter asks for.
        escape: Tags are written with a backslash before parentheses.
        text: What is counted in tokens: `tags`, `caption` or `both`.
    """

    place: Place
    tagger: str = ""
    escape: bool = False
    text: str = "tags"

    @property
    def order(self) -> Order:
        """Return what to open."""
        return Order(self.place, ())

    @property
    def shown(self) -> str:
        """Return its path as a person knows it."""
        return os.path.relpath(self.place.root)

    def pictures(self, leg: Leg, needs: Collection[str], wet: bool) -> dict[str, Picture]:
        """Return key -> picture with its words as they are before any rule."""
        sizes = _sizes(leg, wet) if "size" in needs else {}
        scores = _scores(leg, needs, self.tagger)
        count = lookups.token_counter(needs)
        return {
            key: Picture(
                key=key,
                tags=tuple(leg.values.value("tags", key) or ()),
                caption=leg.values.value("caption", key) or "",
                size=sizes.get(key),
                scores=scores.get(key),
                text=self.text,
                count=count,
            )
            for key in sorted(leg.world.digests)
        }

    def conflicts(self, leg: Leg, change: Change) -> bool:
        """Return whether a sheet and a text file wait for a decision."""
        return any((change.key, field) in leg.world.conflicts for field in change.fields())

    def operation(self, leg: Leg, changes: Iterable[Change], said: str) -> Operation:
        """Return changes as words of a person, in the text files that there are or will be."""
        suffixes = {field: suffix for suffix, field in self.place.sidecars.items()}
        words, texts = [], []
        for change in changes:
            for field in change.fields():
                suffix = suffixes.get(field)
                file = None
                if suffix and change.key not in leg.world.clashing:
                    file = self._file(leg, change, field, suffix)
                    texts.append(file)
                words.append(self._word(leg, change, field, file))
        return Operation(said, tuple(words), tuple(texts))

    def _file(self, leg: Leg, change: Change, field: str, suffix: str) -> TextFile:
        name, before = leg.world.sidecar(change.key, suffix), None
        if name in leg.world.folder.sidecars:
            before = _bytes_of(Path(leg.world.sidecar_read(change.key, suffix)))
            if digest_bytes(before) != leg.world.on_disk.get(name):
                raise DatasetError(f"`{name}` was edited just now", "run the same command again")
        after = text_files.encode(self._text(change, field, before))
        return TextFile(name, before, after, change.key, field)

    def _word(self, leg: Leg, change: Change, field: str, file: TextFile | None) -> Word:
        known = leg.world.edits.get((change.key, field))
        if file is None:
            now = Edit(self._text(change, field, None), _NOT_BESIDE)
        else:
            now = Edit(text_files.decode(file.after), file.name, digest_bytes(file.after))
        return Word(change.key, field, known, now)

    def _text(self, change: Change, field: str, before: bytes | None) -> str:
        if field == "caption":
            return change.after.caption
        # A file that a person wrote with backslashes keeps them.
        escape = self.escape or b"\\(" in (before or b"")
        return tag_text.joined(change.after.tags, escape)


@dataclass(frozen=True)
class MetaTarget:
    """The samples of a dataset file, and of those that continue it."""

    path: Path
    place: Place
    tagger: str = ""

    @property
    def order(self) -> Order:
        """Return what to open."""
        return Order(self.place, (), head_of(self.path))

    @property
    def shown(self) -> str:
        """Return its path as a person knows it."""
        return os.path.relpath(self.path)

    def pictures(self, leg: Leg, needs: Collection[str], wet: bool) -> dict[str, Picture]:
        """Return key -> picture with its words as they train."""
        scores = _scores(leg, needs, self.tagger)
        count = lookups.token_counter(needs)
        found = {}
        whole = dataset_file.load(self.path)
        for key, sample in whole.samples.items():
            edits = {
                name: leg.world.edits.get((key, f"meta.{name}")) for name in ("tags", "caption")
            }
            values: dict[str, Any] = {name: edit.value for name, edit in edits.items() if edit}
            found[key] = Picture(
                key=key,
                tags=tuple(values.get("tags", sample.tags)) if self._ours(leg) else sample.tags,
                caption=values.get("caption", sample.caption)
                if self._ours(leg)
                else sample.caption,
                size=(sample.original_size[0], sample.original_size[1]),
                scores=scores.get(key),
                text=sample.text,
                trigger=whole.trigger(sample),
                count=count,
            )
        return found

    def conflicts(self, leg: Leg, change: Change) -> bool:
        """Return whether two files of the chain wait for a decision."""
        return any(
            (change.key, f"meta.{field}") in leg.world.conflicts for field in change.fields()
        )

    def operation(self, leg: Leg, changes: Iterable[Change], said: str) -> Operation:
        """Return changes as words of a person, in every file of the chain."""
        if leg.world.held:
            raise DatasetError(
                f"edits in `{self.shown}` and the files after it wait for a decision",
                "let them say the same, then run again",
            )
        words = []
        for change in changes:
            for field in change.fields():
                at = (change.key, f"meta.{field}")
                was, now = (
                    _plain(getattr(words_, field)) for words_ in (change.before, change.after)
                )
                words.append(Word(*at, leg.world.edits.get(at), Edit(now, self.path.name), was))
        head = head_of(self.path)
        paths = [link_of(head, "meta" + link) for link in LINKS]
        metas = [meta_file(leg, path, words) for path in paths if path.exists()]
        changed = tuple(meta for meta in metas if meta is not None)
        return Operation(said, tuple(words), (), changed, self._ours(leg))

    def _ours(self, leg: Leg) -> bool:
        return leg.world.place.name(self.path) in leg.world.outputs


def meta_target(
    path: Path, state: Path | None, pipeline: Pipeline | None, tagger: str
) -> MetaTarget:
    """Return a dataset file as a target; its folder of pictures has to be there."""
    place = jobs.place_of_meta(path, dataset_file.load(path), state, pipeline)
    return MetaTarget(path, place, tagger)


def _bytes_of(path: Path) -> bytes:
    try:
        return content(path, MOST_TABLE)
    except OSError as error:
        raise DatasetError(
            f"`{os.path.relpath(path)}` cannot be read: {error.strerror}",
            "close what holds it, or make it readable, then run the same command again",
        ) from None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _sizes(leg: Leg, wet: bool) -> Mapping[str, tuple[int, int]]:
    """Return key -> upright (width, height) px, measured where that was never done."""
    stage = leg.values.producers[lookups.ARTIFACTS["size"]]
    step = leg.step(Asked(stage, stage.params(), stage.commands[0]))
    fresh: dict[str, Any] = {}
    if wet:
        take_step(leg, leg.number_for_good(step), Report())
    else:
        for done in outcomes(leg.plan(step), leg.values, leg.context.jobs, lambda _: None):
            fresh |= {one.key: one.value for one in done if one.state == "made"}
    found = {
        key: fresh.get(key) or leg.values.value(stage.writes, key) for key in leg.world.digests
    }
    return {key: tuple(looks["size"]) for key, looks in found.items() if looks}


def _scores(leg: Leg, needs: Collection[str], tagger: str) -> Mapping[str, dict[str, float]]:
    """Return key -> tag -> probability, of the pictures that were scored."""
    asks = lookups.asks(needs, tagger)
    if not asks:
        return {}
    labels = lookups.tags_of_labels(tagger, [leg.context.models.find(ask) for ask in asks])
    found = {}
    for key in leg.world.digests:
        scores = lookups.by_tag(leg.values.value("scores", key), labels)
        if scores is not None:
            found[key] = scores
    if not found:
        shown = os.path.relpath(leg.world.place.root)
        raise DatasetError(f"no picture of `{shown}` was scored", f"run `prep tag {shown}` first")
    return found
