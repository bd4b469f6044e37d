"""The engine knows no stage, sheet or field of a person by name: it asks what stages declare."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import prep.engine
from prep.dataset.sample_fields import PERSONS
from prep.engine.accounting import unknown_files
from prep.engine.explain_files import of_file
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.location import Location
from prep.engine.opening import read_only_session
from prep.engine.session import Context, Job
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.stage import (
    ALPHA,
    DIGEST,
    IMAGE,
    IN_DATASET,
    KEY,
    LINEAGE,
    MASK_FILE,
    SIZE,
    WARNINGS,
    YOURS,
    PersonsField,
)
from prep.stages import all_stages

ENGINE = Path(prep.engine.__file__).parent
OWN = {
    IMAGE,
    MASK_FILE,
    ALPHA,
    SIZE,
    WARNINGS,
    DIGEST,
    KEY,
    LINEAGE,
}  # what is there without a stage, see `prep.stage`
# Rooms with records of their own, that have words spelt like one of these: a column of the ledger,
# a line of the journal, an answer of a decoder.
RECORDS = ("state", "decoding")


def declared() -> set[str]:
    """Return every name that the stages declare."""
    found = set(PERSONS)
    for stage in all_stages().values():
        found |= {stage.name, stage.writes, *stage.commands, *stage.about}
        found |= {name for name, _ in stage.needs()} | {stage.superseded_by, stage.suffix or ""}
        found |= {text for item in stage.fields for text in (item.name, item.suffix)}
    found |= {name.removeprefix(YOURS).removeprefix(IN_DATASET) for name in found}
    return (found | {YOURS.rstrip("."), IN_DATASET.rstrip(".")}) - {""}


def literals(code: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string, docstrings apart; `{}` stands for what is filled in."""
    left: list[ast.AST] = [ast.parse(code)]
    while left:
        node = left.pop()
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
            left += [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            left += ast.iter_child_nodes(node)


def named(text: str, names: set[str]) -> set[str]:
    """Return the names that a string holds, and does not merely spell like a word of a sentence.

    A string without a space is code; so is, in a sentence, what stands in backticks. A name that
    is no word, such as `tags.csv`, is one anywhere.
    """
    code = re.findall("`([^`]*)`", text) if " " in text else [text]
    found = set()
    for name in names:
        word = name.replace(" ", "").isalpha()
        begin = r"\b" if name[0].isalnum() else ""
        pattern = rf"{begin}{re.escape(name)}(?!\w)"
        if any(re.search(pattern, part) for part in (code if word else [text])):
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tags", {"tags"}),
        ("meta.", {"meta"}),
        (r"tags_long\.csv|tags\.xlsx", {"tags", "tags_long"}),
        (".txt", {".txt"}),
        ("keep?", {"keep"}),
        ("look into tags.csv", {"tags.csv"}),
        ("it is kept as x.txt", {".txt"}),
        ("run `prep tag {}` first", {"tag"}),
        ("export it: `prep review export`", {"review export"}),
        ("keep one of the two, and edit it: `{}`", set()),
        ("in `{}`: no tags", set()),
        ("SELECT key, digest FROM edits", set()),
    ],
)
def test_a_name_is_told_from_a_word(text: str, found: set[str]) -> None:
    """What the test below takes for a name, and what for a word of a sentence."""
    assert named(text, declared()) >= found
    assert bool(named(text, declared())) is bool(found)


def test_the_engine_holds_no_name_that_a_stage_declares() -> None:
    """Stages, what they read and write, commands, sheets, fields and endings of text files."""
    names = declared()
    assert {"tag", "tags", "tags.csv", ".txt", "keep", "weight", "meta", "split"} <= names
    wrong = []
    for path in sorted(ENGINE.rglob("*.py")):
        where = path.relative_to(ENGINE)
        own = OWN if where.parts[0] in RECORDS else set()
        for line, text in literals(path.read_text(encoding="utf-8")):
            wrong += [f"{where}:{line}: {name}" for name in sorted(named(text, names - own))]

    assert wrong == []


def test_what_a_stage_declares_is_all_that_is_known(
    draw: Callable[..., Path], home: Path, models: Models
) -> None:
    """A text file, the field that it holds, and what `prep why` says of a file follow from it."""
    draw("raw/a.png")
    (home / "raw" / "a.grey").write_text("40\n")
    (home / "raw" / "grey.map").write_text("")
    field, about = PersonsField("greyness", ".grey"), {"grey.map": "a map: {path}"}
    stages = all_stages()
    stages["bucket"] = replace(stages["bucket"], fields=(field,), about=about)
    texts = Declarations(stages).sidecars
    job = Job(Location(home / "raw", home / "raw" / ".prep", texts), ())

    with read_only_session(job, Context(stages, models, Console())) as session:
        assert texts == {".txt": "tags", ".grey": "greyness", ".caption": "caption"}
        assert session.values.value("greyness", "a.png") == "40\n"
        assert unknown_files(session) == {}
        assert of_file(session, "grey.map") == ["a map: raw/grey.map"]
        (line,) = of_file(session, "a.grey")
        assert line.startswith("a text of `a.png`: yours, used as its greyness;")
