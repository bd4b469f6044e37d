"""The face of the `prep` command: help, lists, quiet and JSON forms, odd terminals."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prep as package

Prep = Callable[..., Any]
Draw = Callable[..., Path]
ROOT = Path(package.__file__).parents[1]
HELP = Path(__file__).parents[2] / "golden" / "help"
COMMANDS = (
    "augment", "bucket", "caption", "check", "crop", "doctor", "duplicates", "edit", "faces",
    "import", "init", "latents", "plan", "report", "reset", "review", "review export",
    "review import", "run", "stages", "status", "tag", "tags", "undo", "why",
)  # fmt: skip

# DESIGN.md, promise 10.
PROGRAMS = {"prep": "prep.cli.app", "train": "train.cli.app"}
HEAVY = ("torch", "transformers", "diffusers", "onnxruntime", "pandas", "numpy", "PIL")


def typed(home: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """Run `python -m WORDS` as its own process."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_golden(
    prep: Prep, monkeypatch: pytest.MonkeyPatch, update_golden: bool, command: str
) -> None:
    """Every option a person can see is a visible change: the text of --help is kept."""
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = prep(*command.split(), "--help")
    file = HELP / f"{'-'.join(['prep', *command.split()])}.txt"
    if update_golden:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(out, encoding="utf-8")

    assert (code, err) == (0, "")
    assert out == file.read_text(encoding="utf-8")


def test_help_names_every_command(prep: Prep) -> None:
    """The golden help texts are of all the commands there are."""
    _, out, _ = prep("--help")
    rows = out.partition("Commands:\n")[2].splitlines()
    listed = [row.split()[0] for row in rows if not row.startswith("   ")]

    assert sorted(listed) == [name for name in COMMANDS if " " not in name]


def test_stages_are_listed(prep: Prep) -> None:
    """`prep stages` says of each stage what it reads and writes, a line each, sorted."""
    code, out, _ = prep("stages")
    lines = out.splitlines()

    assert code == 0
    assert "crop             fan-out   image, crop_box?, faces? -> pictures" in lines
    assert "score            map       image -> scores" in lines
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    "words",
    [
        "prep --help",
        "prep tag --help",
        "prep stages",
        "prep plan",
        "prep status",
        "prep why a.png",
        "prep edit raw",
        "prep tags raw",
        "train --help",
        "train lora --help",
    ],
)
def test_nothing_heavy_is_imported(prep: Prep, draw: Draw, home: Path, words: str) -> None:
    """Promise 10: help, plan, status, why and an up-to-date stage import nothing heavy."""
    draw("raw/a.png")
    (home / "pipelines.yaml").write_text(
        "pipelines: {a: {images: raw, stages: [tag: {model: tiny}, edit, bucket]}}",
        encoding="utf-8",
    )
    prep("edit", "raw")
    module, *rest = words.split()
    code = (
        f"import sys\nfrom {PROGRAMS[module]} import main\ntry:\n    main({rest!r})\n"
        f"except SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        f"print('loaded:', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stdout.splitlines()[-1:] == ["loaded: []"], ended.stderr


@pytest.mark.parametrize("words", ["plan", "tag raw --dry-run", "why a.png --in raw"])
def test_looking_downloads_nothing(
    prep: Prep, draw: Draw, home: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """A plan needs no network and changes nothing, the folder of the pictures included."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    draw("raw/a.png")
    (home / "pipelines.yaml").write_text(
        "pipelines: {a: {images: raw, stages: [tag: {model: wd-vit-tagger-v3}]}}", encoding="utf-8"
    )
    before = sorted(home.rglob("*"))
    code, out, err = prep(*words.split())

    assert (code, err) == (0, "")
    assert sorted(home.rglob("*")) == before
    if not words.startswith("why"):
        assert "  tag           1 to do: new\n" in out
        wanted = "`SmilingWolf/wd-vit-tagger-v3` is not on this machine yet"
        assert out.endswith(f"  {wanted}: the run downloads it\n")


def test_looking_reads_no_large_file(prep: Prep, draw: Draw, home: Path) -> None:
    """A plan does not digest gigabytes of a model it never met, and says that the run will."""
    draw("raw/a.png")
    vae = home / "base" / "vae"
    vae.mkdir(parents=True)
    (vae / "config.json").write_text("{}", encoding="utf-8")
    with (vae / "diffusion_pytorch_model.safetensors").open("wb") as file:
        size = 100 << 20
        tensor = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
        head = json.dumps({"a": tensor}).encode()
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + size)
    prep("edit", "raw")
    prep("bucket", "meta.json")
    code, out, err = prep("latents", "meta_bucket.json", "--model", "base", "-n")

    assert (code, err) == (0, "")
    assert out.endswith("was not read yet: the run reads it first\n")


@pytest.fixture
def flawed(draw: Draw, home: Path) -> Path:
    """A folder with a good and a broken picture."""
    draw("raw/a.png")
    (home / "raw" / "b.png").write_bytes(b"")
    return home / "raw"


def test_quiet_says_only_what_is_wrong(prep: Prep, flawed: Path) -> None:
    """`-q` prints nothing on success, and of failures a line each, on stderr."""
    said = prep("edit", "raw", "-q")
    (flawed / "b.png").unlink()

    assert said == (3, "", "failed: b.png: the file is empty\n")
    assert prep("edit", "raw", "-q") == (0, "", "")


def test_verbose_says_what_becomes_of_each_picture(prep: Prep, flawed: Path) -> None:
    """`-v` prints a line per picture and stage on stderr, and the inner stages in the report."""
    code, out, err = prep("edit", "raw", "-v")

    assert code == 3
    assert "measure: a.png: made\n" in err
    assert "measure: b.png: failed\n" in err
    assert "edit: a.png: made\n" in err
    assert out.splitlines()[:2] == [
        "`raw`: edit: 2 put through the rules, 1 without a result",
        "  made measure 2, edit 2, meta 1",
    ]


@pytest.mark.parametrize(
    "words",
    ["edit raw", "edit raw -n", "plan", "run", "status", "edit raw -v", "tag raw --model tiny -q"],
)
def test_every_json_line_parses(prep: Prep, flawed: Path, home: Path, words: str) -> None:
    """`--json` makes stdout JSON lines, each with `say`; odd characters do not break them."""
    (home / "raw" / "a.txt").write_text("\u7b11\u9854\u200d, x", encoding="utf-8")
    (home / "raw" / "\u732b\tand\x7f.png").write_bytes(b"")
    (home / "pipelines.yaml").write_text(
        "pipelines: {a: {images: raw, stages: [edit]}}", encoding="utf-8"
    )
    _, out, err = prep(*words.split(), "--json")
    rows = [json.loads(line) for line in out.splitlines()]

    assert err == ""
    assert rows
    assert all("say" in row for row in rows)
    assert out.isascii()


def test_json_holds_the_report(prep: Prep, flawed: Path) -> None:
    """A run's counts and reasons can be read from its JSON."""
    code, out, _ = prep("edit", "raw", "--json")
    report = json.loads(out.splitlines()[-1])

    assert code == 3
    assert report["failed"] == {"b.png": "the file is empty"}
    assert (report["total"], report["rejected"], report["clashing"]) == (2, {}, {})


def test_a_reader_that_leaves(draw: Draw, home: Path) -> None:
    """Row 81: `prep status | head -1` ends with 0, quietly, whatever is left to say."""
    draw("raw/a.png")
    told = typed(home, "prep", "edit", "raw")
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m prep status --in raw | head -0"],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )

    assert told.returncode == 0
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_reader_that_leaves_a_run(draw: Draw, home: Path) -> None:
    """Row 81: a run whose reader left does all its work."""
    draw("raw/a.png")
    subprocess.run(
        ["bash", "-c", f"{sys.executable} -m prep edit raw | true"],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )

    assert (home / "meta.json").exists()


def test_a_japanese_console(draw: Draw, home: Path) -> None:
    """A cp932 console shows what it can and escapes the rest; the work is the same."""
    draw("raw/\u732b\u00e9.png")
    (home / "raw" / "\u732b\u00e9\U0001f431.png").write_bytes(b"")
    ended = typed(home, "prep", "edit", "raw", PYTHONIOENCODING="cp932")
    line = ended.stdout.decode("cp932").splitlines()[1]

    assert (ended.returncode, ended.stderr) == (3, b"")
    assert line == "  failed: \u732b\\xe9\\U0001f431.png: the file is empty"


@pytest.mark.parametrize("colour", [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_at_all(draw: Draw, home: Path, colour: dict[str, str]) -> None:
    """Nothing is said by colour, so NO_COLOR has nothing to take away, errors included."""
    draw("raw/a.png")
    said = [
        typed(home, "prep", *words.split(), **colour)
        for words in ("--help", "edit raw", "edit", "status --in raw", "edit nowhere")
    ]

    assert all(b"\x1b" not in each.stdout + each.stderr for each in said)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal")
def test_a_terminal_is_left_clean(draw: Draw, home: Path) -> None:
    """On a terminal progress is one line that is wiped before the report; no colour."""
    draw("raw/a.png")
    leader, follower = pty.openpty()
    ended = subprocess.run(
        [sys.executable, "-m", "prep", "edit", "raw"],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=follower,
        stderr=follower,
        check=False,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            break
        shown += part
        if not part:
            break
    os.close(leader)

    assert ended.returncode == 0
    assert b"\x1b[3" not in shown
    assert shown.rpartition(b"\x1b[2K")[2].startswith(b"`raw`: edit: 1 put ")
