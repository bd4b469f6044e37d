"""What reaches the terminal: one line a line, whatever it holds."""

import io
import json
from pathlib import Path

import pytest

from prep.runtime.console import Console, duration, plain, show_error
from prep.runtime.errors import ConfigError, HeldError, UsageError, nearest, no_such


def spoken(level: int = 1, *, as_json: bool = False) -> tuple[Console, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Console(level, as_json, out, err), out, err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a.png", "a.png"),
        ("\u732b \u00e9\u3000x", "\u732b \u00e9\u3000x"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\x1b[31mred\x9b", r"\x1b[31mred\x9b"),
        ("\u202eabc\u2028", r"\u202eabc\u2028"),
        ("bad\udcff", r"bad\udcff"),
    ],
)
def test_plain_text_is_one_safe_line(text: str, shown: str) -> None:
    """Row 96: control, direction and broken characters are shown as escapes."""
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("level", "out", "err"),
    [(0, "", "bad\n"), (1, "said\n", "note\nbad\n"), (2, "said\n", "note\nmore\nbad\n")],
)
def test_levels(level: int, out: str, err: str) -> None:
    """Quiet says what is wrong; ordinary adds results and notes; verbose adds every detail."""
    console, said, told = spoken(level)
    console.say("said")
    console.note("note")
    console.detail("more")
    console.wrong("bad")

    assert (said.getvalue(), told.getvalue()) == (out, err)


def test_json_is_one_object_a_line() -> None:
    """Several lines and any character become one JSON object, in ASCII, with the facts beside."""
    console, out, _ = spoken(as_json=True)
    console.say("\u732b", "\x7f\udcff\x9b", count=2)
    console.note("by the way")
    first, second = out.getvalue().splitlines()

    assert out.getvalue().isascii()
    assert json.loads(first) == {"say": "\u732b\n\x7f\udcff\x9b", "count": 2}
    assert json.loads(second) == {"say": "by the way", "kind": "note"}


def test_what_an_encoding_lacks_is_escaped() -> None:
    """A console of another encoding gets every line, with escapes where it must be."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Console(out=stream).say("caf\u00e9 \u732b")

    assert raw.getvalue() == b"caf\\xe9 \\u732b\n"


def test_errors_are_two_lines_each() -> None:
    """The first mistake and all others, each with its hint where there is one."""
    err = io.StringIO()
    show_error(ConfigError("one\nmore", "do", others=[("two", None), ("three", "act")]), err)

    assert err.getvalue() == "error: one more\nhint: do\nerror: two\nerror: three\nhint: act\n"


def test_paths_are_shown_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file below the current folder is named as a person would type it, others in full."""
    monkeypatch.chdir(tmp_path)
    err = io.StringIO()
    show_error(ConfigError(f"`{tmp_path}/a/b` is bad", f"see `{tmp_path.parent}/c`"), err)

    assert err.getvalue() == f"error: `a/b` is bad\nhint: see `{tmp_path.parent}/c`\n"


def test_exit_codes() -> None:
    """A mistake is 1, a wrong command line 2, a dataset that is held 5."""
    assert (ConfigError.exit_code, UsageError.exit_code, HeldError.exit_code) == (1, 2, 5)


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("resolutoin", ["step", "resolution"], "did you mean `resolution`?"),
        ("x", ["b", "a"], "known: a, b"),
        ("x", [], "none is known here"),
        (
            "x",
            [f"{n:02}" for n in range(14)],
            "known: 00, 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11 and 2 more",
        ),
    ],
)
def test_the_nearest_name(name: str, known: list[str], hint: str) -> None:
    """A misspelt name is met with the nearest one, else with a dozen of those there are."""
    assert nearest(name, known) == hint
    assert no_such("param", name, known).hint == hint


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_a_time_span_as_people_say_it(seconds: float, text: str) -> None:
    """Seconds up to a minute, minutes up to an hour, then hours."""
    assert duration(seconds) == text


def test_a_log_gets_no_drawing() -> None:
    """Without a terminal progress draws nothing and, in a short run, says nothing."""
    console, out, err = spoken()
    with console.progress("score", 3) as progress:
        progress.advance(3)

    assert (progress.done, out.getvalue(), err.getvalue()) == (3, "", "")
