"""What is typed becomes values: numbers with limits, paths, texts, pairs and lists."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from prep.runtime.program import run_app

_Pair = tuple[str, str] | None
_Many = list[float] | None
_PROGRAM = """
import sys, typer
from pathlib import Path
from prep.runtime.program import run_app
app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
@app.command()
def lift(path: Path, weight: float = 1, both: bool = False): pass
try: run_app(app, ["here", "--weight", "2.5", "--both"], "crane")
except SystemExit as end: assert not end.code
print(sorted({"pydantic", "rich"} & set(sys.modules)))
"""


def run(*words: str) -> tuple[int, list[Any]]:
    """Return the exit code of a program for some words, and the values that it was given."""
    given: list[Any] = []
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)

    @app.command()
    def lift(
        path: Annotated[Path, typer.Argument()] = Path("floor"),
        count: Annotated[int, typer.Option(min=1, max=9)] = 2,
        weight: Annotated[float, typer.Option(min=0)] = 1,
        pair: Annotated[_Pair, typer.Option()] = None,
        many: Annotated[_Many, typer.Option(max=5)] = None,
        tidy: Annotated[bool | None, typer.Option("--tidy/--no-tidy")] = None,
        name: str = "",
    ) -> None:
        given.extend([path, count, weight, pair, many, tidy, name])

    with pytest.raises(SystemExit) as ended:
        run_app(app, list(words), "crane")
    assert isinstance(ended.value.code, int)
    return ended.value.code, given


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("", [Path("floor"), 2, 1.0, None, None, None, ""]),
        (
            "roof --count 9 --weight 2.5 --pair a b --many 1 --many 2.5 --no-tidy --name x=1",
            [Path("roof"), 9, 2.5, ("a", "b"), [1.0, 2.5], False, "x=1"],
        ),
    ],
)
def test_words_become_values(words: str, values: list[Any]) -> None:
    """Every value has the type that the command declares; what was not given is the default."""
    code, given = run(*words.split())

    assert (code, given) == (0, values)
    assert [type(one) for one in given] == [type(one) for one in values]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--count two", "`--count`: it is not a whole number"),
        ("--count 1.5", "`--count`: it is not a whole number"),
        ("--weight heavy", "`--weight`: it is not a number"),
        ("--count 0", "`--count`: it is less than 1"),
        ("--count 10", "`--count`: it is more than 9"),
        ("--weight nan", "`--weight`: it is less than 0"),
        ("--many 1 --many 6", "`--many`: it is more than 5"),
    ],
)
def test_other_words_are_refused(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no number, or one outside the limits, is two lines with the option's name."""
    assert run(*words.split()) == (2, [])
    assert capsys.readouterr().err == f"error: invalid value for {told}\nhint: see `crane --help`\n"


def test_no_library_of_types_is_loaded() -> None:
    """A program whose options are plain loads neither pydantic nor rich."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
