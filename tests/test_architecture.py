from pathlib import Path

from tests import architecture


def test_the_drawing_is_that_of_the_code() -> None:
    """docs/architecture.md shows the rooms and the imports that there are."""
    page = architecture.PAGE.read_text(encoding="utf-8")

    assert architecture.drawn(page, architecture.ROOT) == page, (
        "draw it anew: python -m tests.architecture"
    )


def test_an_arrow_that_a_longer_way_shows_is_left_out() -> None:
    """Of a -> b -> c and a -> c, the last is not drawn."""
    arrows = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}

    assert architecture.reduced(arrows) == {
        "a": frozenset("b"),
        "b": frozenset("c"),
        "c": frozenset(),
    }


def test_a_new_import_makes_the_page_stale(tmp_path: Path) -> None:
    """A file that imports another room changes the drawing."""
    for name in ("prep", "prep/low", "prep/high", "train", "tagger_models", "tinyworld"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'"""What {name} is."""\n')
    before = architecture.drawn(architecture.BEGIN + architecture.END, tmp_path)

    (tmp_path / "prep/high/a.py").write_text("from prep import low\n")
    after = architecture.drawn(before, tmp_path)

    assert "prep.high --> prep.low" not in before
    assert "  prep.high --> prep.low" in after.splitlines()
    assert "| `prep.high` | What prep/high is. | prep.low |" in after.splitlines()
