from pathlib import Path

import pytest

from prep.runtime.errors import ModelFileError
from tagger_models.labels.csv_files import wd_labels
from tagger_models.labels.label import Label

HEADER = "tag_id,name,category,count\n"
SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "wd-selected-tags-synthetic"


def told(text: str) -> tuple[str, str | None]:
    with pytest.raises(ModelFileError) as raised:
        wd_labels(text, "selected_tags.csv")
    return str(raised.value), raised.value.hint


def test_names_are_kept_to_the_letter() -> None:
    """Names that spreadsheets, pandas and shells would change come through unchanged, in order."""
    names = ["null", "nan", "NA", "=_=", "+_+", "-1", "1e10", "true", "^_^", ";d", "\\m/", "'", "?"]
    text = HEADER + "".join(f"{n},{name},0,1\n" for n, name in enumerate(names))
    text += '99,"tharja_(""normal_girl"")_(fire_emblem)",4,1\n98,a_"b",4,1\n'

    assert wd_labels(text, "selected_tags.csv") == (
        *(Label(name, "general") for name in names),
        Label('tharja_("normal_girl")_(fire_emblem)', "character"),
        Label('a_"b"', "character"),
    )


def test_the_category_is_read_from_its_column() -> None:
    """Ratings are known by their code wherever they stand; a rating may share a general's name."""
    text = (
        HEADER + "1,hat,0,9\n2,reimu,4,8\n3,general,9,7\n4,general,0,6\n5,zun,1,5\n6,touhou,3,4\n"
    )

    assert [(label.name, label.category) for label in wd_labels(text, "f")] == [
        ("hat", "general"),
        ("reimu", "character"),
        ("general", "rating"),
        ("general", "general"),
        ("zun", "artist"),
        ("touhou", "copyright"),
    ]


def test_windows_line_ends_change_nothing() -> None:
    """A file that went through Windows has the same labels."""
    text = HEADER + "1,hat,0,9\n2,reimu,4,8\n"

    assert wd_labels(text.replace("\n", "\r\n"), "f") == wd_labels(text, "f")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,hat,0,9\n2,hat,0,8\n", "line 3: `hat` is already on line 2"),
        ("1,hat,0\n", "line 2: 3 columns in place of 4"),
        ("1,hat,red,0,9\n", "line 2: 5 columns in place of 4"),
        ("1,,0,9\n", "line 2: the label's name is empty or unprintable"),
        ("1, ,0,9\n", "line 2: the label's name is empty or unprintable"),
        ('1,"a\nb",0,9\n', "line 3: the label's name is empty or unprintable"),
        ("1,a\x1b[2Jb,0,9\n", "line 2: the label's name is empty or unprintable"),
        ("\n", "line 2: 0 columns in place of 4"),
    ],
)
def test_a_torn_row_is_named_with_its_line(rows: str, message: str) -> None:
    """A row that cannot be trusted stops the loading, and two lines say where and what to do."""
    assert told(HEADER + rows) == (
        f"`selected_tags.csv` {message}",
        "fetch the file again from where the model came from",
    )


def test_an_open_quote_swallows_no_rows() -> None:
    """A quote that is never closed is an error, not one long label."""
    message, _ = told(HEADER + '1,"hat,0,9\n2,reimu,4,8\n')

    assert message == "`selected_tags.csv` line 3: unexpected end of data"


def test_an_unknown_category_lists_the_known_ones() -> None:
    """A code that no known label file uses is not guessed."""
    assert told(HEADER + "1,hat,7,9\n") == (
        "`selected_tags.csv` line 2: category `7` is not known",
        "known: 0 general, 1 artist, 3 copyright, 4 character, 5 meta, 9 rating, 10 year",
    )


@pytest.mark.parametrize("text", ["", "name,category\nhat,0\n", "<!DOCTYPE html>\n<html>\n"])
def test_another_header_is_another_file(text: str) -> None:
    """An error page, a list of another kind or an empty file is not taken for labels."""
    message, hint = told(text)

    assert message == (
        "`selected_tags.csv` is not a label file: "
        "its first line is not `tag_id,name,category,count`"
    )
    assert hint == "use the label file that was published with the model"


def test_a_file_of_no_labels_is_refused() -> None:
    """A header alone is not a vocabulary."""
    assert told(HEADER)[0] == "`selected_tags.csv` holds no labels"


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not beside the checkout")
def test_a_file_of_the_real_shape_is_read_whole() -> None:
    """All labels of a v3-shaped file are read: 4 ratings, 8,106 general, 2,751 characters."""
    text = (SHARED / "selected_tags.csv").read_text(encoding="utf-8")

    labels = wd_labels(text, "selected_tags.csv")

    counts = {
        kind: sum(label.category == kind for label in labels)
        for kind in ("rating", "general", "character")
    }
    assert counts == {"rating": 4, "general": 8106, "character": 2751}
    assert [label.name for label in labels[:4]] == [
        "general",
        "sensitive",
        "questionable",
        "explicit",
    ]
    assert [name for name in ("=_=", "+_+", "^_^", "\\m/") if Label(name, "general") in labels] == [
        "=_=",
        "+_+",
        "^_^",
        "\\m/",
    ]
    lines = text.splitlines()
    assert len(labels) == len(lines) - 1
