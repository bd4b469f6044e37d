"""The long form: one line a picture and tag, for pivot tables. It is looked at, never read back."""

from collections.abc import Iterator, Mapping, Sequence

from prep.sheets.categories import OTHER, category_of
from prep.sheets.cells import guarded
from prep.sheets.columns import WORDS, Columns, Kind
from prep.sheets.csv_text import table
from prep.sheets.table import LONG_COLUMNS
from prep.sheets.workbook import WorkbookRow


def dump(samples: Sequence[WorkbookRow], columns: Columns) -> bytes:
    """Return the long form as CSV, as the sheet is written.

    Columns: key, position of the tag among the picture's (from 1; empty where it is not), tag,
    category, score in [0, 1] (empty where no tagger knows the tag), whether it is kept, and what
    stages declare, in each line again. Tags come first, in their order; then what the tagger saw
    besides, category by category, the most probable first.
    """
    of = category_of(sample.graded for sample in samples)
    more = [name for name in columns if name not in WORDS]
    lines = ([*line, *_more(sample, more)] for sample in samples for line in _lines(sample, of))
    return table((*LONG_COLUMNS, *more), lines)


def _more(sample: WorkbookRow, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield guarded(sample.row[name], sample.row.columns[name].kind is Kind.NUMBER)


def _lines(sample: WorkbookRow, of: Mapping[str, str]) -> Iterator[list[str]]:
    key = guarded(sample.row.key)
    scores = {
        str(tag): float(value)
        for category, pairs in sample.graded.items()
        if category != "rating"
        for tag, value in pairs
    }
    for position, tag in enumerate(sample.listed, start=1):
        score = f"{scores[tag]:.3f}" if tag in scores else ""
        yield [key, str(position), guarded(tag), of.get(tag, OTHER), score, "yes"]
    for category, pairs in sorted(sample.graded.items()):
        for name, value in pairs:
            if category == "rating" or name not in sample.listed:
                yield [key, "", guarded(str(name)), category, f"{float(value):.3f}", "no"]
