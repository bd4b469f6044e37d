"""What `prep edit` changes: the text files of a folder, or the samples of a dataset file."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.file_names import LINKS, head_of, link_of
from prep.edits import lookups
from prep.edits.diff import Change
from prep.edits.record import PictureRecord
from prep.engine.bulk_edits import meta_file
from prep.engine.compute import outcomes
from prep.engine.inventory.location import Location
from prep.engine.report import Report
from prep.engine.runner import take_step
from prep.engine.session import Job, Session
from prep.engine.state.edit_batch import Operation, TextFile, Word
from prep.engine.state.ledger_queries import Edit
from prep.runtime import text_files
from prep.runtime.errors import DatasetError
from prep.runtime.files import MOST_TABLE, content, digest_bytes
from prep.stage import IN_DATASET, RequestedStage
from prep.tags import tag_text

_NOT_BESIDE = "prep edit"  # where words come from that no file beside the picture holds


@dataclass(frozen=True)
class FolderTarget:
    """The text files beside pictures.

    Attributes:
        tagger: Whose scores a filter asks for.
        escape: Tags are written with a backslash before parentheses.
        text: What is counted in tokens: `tags`, `caption` or `both`.
    """

    location: Location
    tagger: str = ""
    escape: bool = False
    text: str = "tags"

    @property
    def job(self) -> Job:
        """Return what to open."""
        return Job(self.location, ())

    @property
    def shown(self) -> str:
        """Return its path as a person knows it."""
        return os.path.relpath(self.location.root)

    def pictures(
        self, session: Session, needs: Collection[str], wet: bool
    ) -> dict[str, PictureRecord]:
        """Return key -> picture with its words as they are before any rule.

        Args:
            needs: What a filter has to know of a picture.
            wet: What is measured for that is kept.
        """
        sizes = _sizes(session, wet) if "size" in needs else {}
        scores = _scores(session, needs, self.tagger)
        count = lookups.token_counter(needs)
        return {
            key: PictureRecord(
                key=key,
                tags=tuple(session.values.value("tags", key) or ()),
                caption=session.values.value("caption", key) or "",
                size=sizes.get(key),
                scores=scores.get(key),
                text=self.text,
                count=count,
            )
            for key in sorted(session.inventory.digests)
        }

    def operation(self, session: Session, changes: Iterable[Change], said: str) -> Operation:
        """Return changes as words of a person, in the text files that there are or will be."""
        suffixes = {field: suffix for suffix, field in self.location.sidecars.items()}
        words, texts = [], []
        for change in changes:
            for field in change.fields():
                suffix = suffixes.get(field)
                file = None
                if suffix and change.key not in session.inventory.clashing:
                    file = self._file(session, change, field, suffix)
                    texts.append(file)
                words.append(self._word(session, change, field, file))
        return Operation(said, tuple(words), tuple(texts))

    def _file(self, session: Session, change: Change, field: str, suffix: str) -> TextFile:
        name, before = session.inventory.sidecar(change.key, suffix), None
        if name in session.written.on_disk:
            before = _bytes_of(Path(session.sidecar_read(change.key, suffix)))
            if digest_bytes(before) != session.written.on_disk[name]:
                raise DatasetError(f"`{name}` was edited just now", "run the same command again")
        after = text_files.encode(self._text(change, field, before))
        return TextFile(name, before, after, change.key, field)

    def _word(self, session: Session, change: Change, field: str, file: TextFile | None) -> Word:
        known = session.written.edits.get((change.key, field))
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
    location: Location
    tagger: str = ""

    @property
    def job(self) -> Job:
        """Return what to open."""
        return Job(self.location, (), head_of(self.path))

    @property
    def shown(self) -> str:
        """Return its path as a person knows it."""
        return os.path.relpath(self.path)

    def pictures(
        self, session: Session, needs: Collection[str], wet: bool
    ) -> dict[str, PictureRecord]:
        """Return key -> picture with its words as they train."""
        scores = _scores(session, needs, self.tagger)
        count = lookups.token_counter(needs)
        whole = dataset_file.load(self.path)
        edits = session.written.edits if self._ours(session) else {}
        found = {}
        for key, sample in whole.samples.items():
            tags, caption = (edits.get((key, IN_DATASET + name)) for name in ("tags", "caption"))
            found[key] = PictureRecord(
                key=key,
                tags=tuple(tags.value) if tags else sample.tags,
                caption=caption.value if caption else sample.caption,
                size=(sample.original_size[0], sample.original_size[1]),
                scores=scores.get(key),
                text=sample.text,
                trigger=whole.trigger(sample),
                count=count,
            )
        return found

    def operation(self, session: Session, changes: Iterable[Change], said: str) -> Operation:
        """Return changes as words of a person, in every file of the chain."""
        if session.inventory.held:
            raise DatasetError(
                f"edits in `{self.shown}` and the files after it wait for a decision",
                "let them say the same, then run again",
            )
        words = []
        for change in changes:
            for field in change.fields():
                at = (change.key, IN_DATASET + field)
                was, now = (_plain(getattr(one, field)) for one in (change.before, change.after))
                known = session.written.edits.get(at)
                words.append(Word(*at, known, Edit(now, self.path.name), was))
        head = head_of(self.path)
        paths = [link_of(head, link) for link in LINKS]
        metas = [meta_file(session, path, words) for path in paths if path.exists()]
        changed = tuple(meta for meta in metas if meta is not None)
        return Operation(said, tuple(words), (), changed, self._ours(session))

    def _ours(self, session: Session) -> bool:
        return session.inventory.location.name(self.path) in session.written.outputs


Target = FolderTarget | MetaTarget


def conflicts(target: Target, session: Session, change: Change) -> bool:
    """Return whether two edits by people wait for a decision where this one would write."""
    before = IN_DATASET if isinstance(target, MetaTarget) else ""
    fields = [before + field for field in change.fields()]
    return any((change.key, field) in session.inventory.conflicts for field in fields)


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


def _sizes(session: Session, wet: bool) -> Mapping[str, tuple[int, int]]:
    """Return key -> upright (width, height) px, measured where that was never done."""
    stage = session.values.producers[lookups.ARTIFACTS["size"]]
    step = session.step(RequestedStage(stage, stage.params(), stage.commands[0]))
    fresh: dict[str, Any] = {}
    if wet:
        take_step(session, session.number_for_good(step), Report())
    else:
        for done in outcomes(
            session.plan(step), session.values, session.context.jobs, lambda _: None
        ):
            fresh |= {one.key: one.value for one in done if one.state == "made"}
    found = {
        key: fresh.get(key) or session.values.value(stage.writes, key)
        for key in session.inventory.digests
    }
    return {key: tuple(looks["size"]) for key, looks in found.items() if looks}


def _scores(
    session: Session, needs: Collection[str], tagger: str
) -> Mapping[str, dict[str, float]]:
    """Return key -> tag -> probability, of the pictures that were scored."""
    asks = lookups.asks(needs, tagger)
    if not asks:
        return {}
    labels = lookups.tags_of_labels(tagger, [session.context.models.find(ask) for ask in asks])
    found = {}
    for key in session.inventory.digests:
        scores = lookups.by_tag(session.values.value("scores", key), labels)
        if scores is not None:
            found[key] = scores
    if not found:
        shown = os.path.relpath(session.inventory.location.root)
        raise DatasetError(f"no picture of `{shown}` was scored", f"run `prep tag {shown}` first")
    return found
