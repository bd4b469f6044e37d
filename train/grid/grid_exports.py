"""What a grid compares: the exports of a run by their steps, or several files and models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.errors import ConfigError, ModelFileError, UserError
from train.adapters.file_kinds import kind_of
from train.adapters.run_exports import config_of_run, exports_of
from train.families.detect import opened_base
from train.samples.subject import Subject, subject_of


@dataclass(frozen=True)
class GridExport:
    """One export that is compared.

    Attributes:
        subject: The same as `train sample` draws it: one file, or a whole model.
        place: Where its file or folder lies; that of a model may be in the hub's cache.
        title: Its name, with its folder's where another one has that name, and its own strength.
        step: The step that it was made after; 0 where it does not say.
        digest: SHA-256 of all that it is.
        unread: How many of its tensors are not applied.
        lines: What a person should know of those.
    """

    subject: Subject
    place: Path
    title: str
    step: int = 0
    digest: str = ""
    unread: int = 0
    lines: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Its file or folder, or the name of its model."""
        return self.subject.loras[0][0] if self.subject.loras else Path(self.subject.model)

    @property
    def has_strength(self) -> bool:
        """Whether it can act more or less strongly on its base model."""
        return bool(self.subject.loras) and kind_of(self.path).called(self.path) is None


class Broken(NamedTuple):
    """An export that cannot be drawn, and why."""

    name: str
    error: UserError


def exports_named(words: Sequence[str], models: Models) -> tuple[list[GridExport], list[Broken]]:
    """Return what can be drawn of what a person named, and what is damaged.

    The exports of a run stand in the order of their steps, all else as it was named; what was
    named twice is there once.

    Raises:
        UserError: Something that was named is not there, or a run has no export.
    """
    good: dict[tuple[Path, float], GridExport] = {}
    broken: list[Broken] = []
    for word in words:
        found: list[GridExport] = []
        for name in _within(word):
            try:
                found.append(_looked_at(name, models))
            except UserError as error:
                if not Path(name).exists():
                    raise
                broken.append(Broken(name, error))
        for one in sorted(found, key=lambda one: one.step):
            own = one.subject.loras[0][1] if one.subject.loras else 1.0
            good.setdefault((one.place.absolute(), own), one)
    return _told_apart([*good.values()]), broken


def _within(word: str) -> list[str]:
    """Return the exports of a run folder, else the word itself."""
    place = Path(word).expanduser()
    told = config_of_run(place)
    if not {"name", "base", "datasets"} <= told.keys():
        return [word]
    found = [*exports_of(place), *_hypernetworks(place, str(told["name"]))]
    if not found:
        raise ConfigError(
            f"`{word}` is a run that has exported nothing yet",
            "finish it, or let it export on the way: `--save-every-epochs 1`",
        )
    return [str(one) for one in found]


def _hypernetworks(place: Path, name: str) -> Iterator[Path]:
    for one in sorted(place.glob("*.pt")):
        if one.name.startswith(name) and "-not-proven" not in one.name:
            yield one


def _looked_at(name: str, models: Models) -> GridExport:
    """Return an export that was looked through.

    Raises:
        UserError: It is damaged, or nothing that can be drawn.
    """
    try:
        subject = subject_of([name])
        said = subject.metadata[0].get("ss_steps", "")
        step = int(said) if said.isascii() and said.isdigit() else 0
        if not subject.loras:
            model, _ = opened_base(subject.model, models)
            return GridExport(subject, model.path, subject.name, step, models.digest(model))
        path, own = subject.loras[0]
        title = subject.name if own == 1 else f"{subject.name}:{own:g}"
        found = GridExport(subject, path, title, step)
        sorted_ = kind_of(path).check(path)
        kind_of(path).check_numbers(path)
        return replace(
            found,
            digest=files.digest(path),
            unread=sum(len(names) for names in sorted_.unread.values()),
            lines=tuple(sorted_.lines()),
        )
    except OSError as error:
        raise ModelFileError(
            f"`{name}` cannot be read: {error.strerror or error}", "look at its permissions"
        ) from error


def _told_apart(each: Sequence[GridExport]) -> list[GridExport]:
    titles = [one.title for one in each]
    return [
        one
        if titles.count(one.title) == 1
        else replace(one, title=f"{one.path.parent.name}/{one.title}")
        for one in each
    ]
