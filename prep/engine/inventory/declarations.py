"""What the stages declare of a whole dataset: a person's fields, text files, sheets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prep.dataset.file_names import is_usual
from prep.engine.state.ledger_queries import Edit
from prep.runtime import text_files
from prep.sheets.columns import Columns, columns_of
from prep.stage import PersonsField, Shape, Stage

_SHEET = "a sheet: `prep review import {path}` reads your edits in it"
_PIPELINES = "a file of pipelines: `prep run --pipelines {path}` carries them out"
_OURS = {  # of no stage
    "pipelines.yaml": _PIPELINES,
    "pipelines.yml": _PIPELINES,
    "tagger.yaml": "it says how the tagger beside it is fed; the pictures are not affected",
}
_ANOTHER = " (sheet)"  # ends the source of edits from other sheets; no sidecar's name ends so


@dataclass(frozen=True)
class Declarations:
    """What all stages together declare.

    Attributes:
        stages: Every stage there is, by name.
    """

    stages: Mapping[str, Stage]

    @cached_property
    def fields(self) -> Mapping[str, PersonsField]:
        """What is declared of what a person may write of a sample, by name."""
        return {field.name: field for stage in self.stages.values() for field in stage.fields}

    @cached_property
    def sidecars(self) -> Mapping[str, str]:
        """Suffix of a text file beside a picture -> the field it holds; the shortest first."""
        held = {field.suffix: name for name, field in self.fields.items() if field.suffix}
        return dict(sorted(held.items(), key=lambda pair: len(pair[0])))

    @property
    def texts(self) -> tuple[str, ...]:
        """The endings of text files, whether or not they are read."""
        return tuple(self.sidecars)

    @cached_property
    def takes_out(self) -> Mapping[str, str]:
        """Field -> the words in it that take a sample out of the dataset."""
        return {name: field.drops for name, field in self.fields.items() if field.drops is not None}

    @cached_property
    def columns(self) -> Columns:
        """The columns of the sheets, by name."""
        return columns_of(self.stages.values())

    @cached_property
    def sheets(self) -> tuple[Stage, ...]:
        """The views that are sheets."""
        views = (stage for stage in self.stages.values() if stage.shape is Shape.VIEW)
        return tuple(stage for stage in views if stage.link is None)

    @cached_property
    def main_sheet(self) -> Stage:
        """The sheet that is there without being asked for."""
        return next(sheet for sheet in self.sheets if sheet.main)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Name of a file of ours beside pictures -> what it is; `{path}` stands for its path."""
        found = {sheet.writes: _SHEET for sheet in self.sheets}
        for stage in self.stages.values():
            found |= stage.about
        return found | _OURS

    def is_ours(self, name: str) -> bool:
        """Return whether a file is one of ours by the last part of its path, whoever wrote it."""
        last = name.rpartition("/")[2]
        return last in self.files or is_usual(last)

    def value(self, name: str, words: Any) -> Any:
        """Return the artifact that what a person wrote for a field stands for."""
        return self.columns[name].parsed(words) if name in self.columns else words

    def shows_dropped(self, stage: Stage) -> bool:
        """Return whether a stage reads samples, too, that a person took out."""
        return any(name in self.takes_out for name, _ in stage.needs())

    def sheet_source(self, file: str) -> str:
        """Return the source that the ledger keeps of edits from a sheet of this name."""
        name = text_files.without_controls(file)
        return name if name == self.main_sheet.writes else name + _ANOTHER

    def is_from_sheet(self, edit: Edit) -> bool:
        """Return whether a person wrote it into a sheet, not into a file beside the picture."""
        return edit.source == self.main_sheet.writes or edit.source.endswith(_ANOTHER)
