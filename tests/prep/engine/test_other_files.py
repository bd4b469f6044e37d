"""Every file of a folder is accounted for: pictures, texts, files of ours, and all the others."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.engine.inventory import other_files
from prep.engine.inventory.scan import Folder, scan
from tests.prep.engine.test_folders import mortal, run_under

__all__ = ["mortal"]
Prep = Callable[..., Any]
Draw = Callable[..., Path]
LINE = (
    "  9 other files are not pictures that can be read: 3 .psd, 1 .jp2, 1 .svg, 1 .zip, "
    "1 linked folder, 1 without suffix, 1 pipe, socket or device\n"
)


def mixed(draw: Draw, home: Path) -> None:
    """Two pictures among files of other kinds, of ours, and of other programs."""
    draw("raw/a.png")
    draw("raw/sub/b.png")
    draw("elsewhere/c.png")
    for name in ("1.psd", "sub/2.PSD", "3.Psd", "d.jp2", "e.svg", "IMG_0001", "set.zip"):
        (home / "raw" / name).write_bytes(b"x")
    (home / "raw/more").symlink_to(home / "elsewhere")
    os.mkfifo(home / "raw/queue")
    for name in ("Thumbs.db", "@eaDir/a.png", "sub/__MACOSX/b.png", ".picasaoriginals/a.png"):
        (home / "raw" / name).parent.mkdir(exist_ok=True)
        (home / "raw" / name).write_bytes(b"x")
    for name in ("pipelines.yaml", "meta_lat.json", "tags.rules"):
        (home / "raw" / name).write_bytes(b"x")


def test_other_files_are_told_once(prep: Prep, draw: Draw, home: Path) -> None:
    """Cases B1, B2: one line in each report, with counts by kind; no exit code of its own."""
    mixed(draw, home)
    first, again = prep("edit", "raw"), prep("edit", "raw")
    bucket = prep("bucket", "meta.json", "--resolution", 64, "--step", 32)
    facts = json.loads(prep("edit", "raw", "--json").out.splitlines()[-1])["others"]

    for told in (first, again, bucket):
        assert told.code == 0
        assert told.out.count(LINE) == 1
        assert told.out.endswith("  2 pictures: 2 good, 0 left out, 0 failed\n")
    assert facts[".psd"] == 3
    assert sum(facts.values()) == 9


def test_status_lists_them(prep: Prep, draw: Draw, home: Path) -> None:
    """Cases B1, B3: file by file, and what was passed over by name; `--json` says the same."""
    mixed(draw, home)
    said = prep("status", "--in", "raw").out
    rows = [json.loads(row) for row in prep("status", "--in", "raw", "--json").out.splitlines()]

    names = [
        "1.psd",
        "3.Psd",
        "IMG_0001",
        "d.jp2",
        "e.svg",
        "more",
        "queue",
        "set.zip",
        "sub/2.PSD",
    ]
    assert LINE + "".join(f"    {name}\n" for name in names) in said
    assert "  passed over by name: .picasaoriginals, @eaDir, Thumbs.db, __MACOSX\n" in said
    assert [list(row["others"]) for row in rows if "others" in row] == [names]


def test_a_fan_out_tells_what_lies_in_its_source(prep: Prep, draw: Draw, home: Path) -> None:
    """Case B1: `crop` and `augment` read the folder first, so they name what they cannot take."""
    mixed(draw, home)
    told = prep("crop", "raw", "cut", "--min-side", 8)

    assert LINE.replace("files are", "files in `raw` are") in told.out
    assert "other file" not in prep("edit", "cut").out


def test_what_prep_and_train_write_is_no_other_file(prep: Prep, draw: Draw, home: Path) -> None:
    """Case B1: sheets, dataset files of any name, prep's own folder and the runs are ours."""
    draw("raw/a.png")
    state = ("--state", "raw/memory")
    assert prep("tag", "raw", "--model", "tiny", *state).code == 0
    assert prep("review", "export", "raw", *state).code == 0
    assert prep("edit", "raw", "--out", "raw/more.json", *state).code == 0
    run = home / "raw/runs/lumi-0a1b"
    draw("raw/runs/lumi-0a1b/samples/0001.png")
    (run / "config.json").write_text("{}")
    (run / "metrics.jsonl").write_text("")
    told = prep("edit", "raw", "--out", "raw/more.json", *state)

    assert told.out == (
        "`raw` is up to date: nothing to do\n  1 picture: 1 good, 0 left out, 0 failed\n"
    )


def test_a_folder_of_other_files_alone(prep: Prep, home: Path) -> None:
    """Case B1: where there is no picture at all, the message says what is there."""
    (home / "raw").mkdir()
    (home / "raw/a.psd").write_bytes(b"8BPS")
    told = prep("edit", "raw")

    assert told.code == 1
    assert told.err.splitlines()[0] == (
        "error: there are no pictures in `raw`; 1 other file is not a picture that can be read: "
        "1 .psd"
    )


def test_many_kinds_are_one_line() -> None:
    """Case B1: a dozen kinds are counted one by one, the rest together."""
    kinds = [f".k{number:02}" for number in range(15)] + [".k00", "link", "link"]

    assert other_files.line(kinds) == (
        "18 other files are not pictures that can be read: 2 .k00, 2 links, "
        + ", ".join(f"1 .k{number:02}" for number in range(1, 11))
        + ", 4 of other kinds"
    )


@pytest.mark.parametrize("ending", [".txt", ".caption", ".TXT"])
def test_a_folder_where_a_text_belongs(prep: Prep, draw: Draw, home: Path, ending: str) -> None:
    """Case C3: its picture is listed with what to do; what lies in it and the rest go on."""
    draw("raw/a.png")
    draw("raw/b.png")
    draw(f"raw/a{ending}/c.png")
    tagged, edited = prep("tag", "raw", "--model", "tiny"), prep("edit", "raw")
    low = ending.lower()

    for told in (tagged, edited):
        assert told.code == 3
        assert f"  failed: a.png: `a{low}` is a folder: give it another name\n" in told.out
        assert told.out.endswith("  3 pictures: 2 good, 0 left out, 1 failed\n")
    assert Path("raw/b.txt").exists()
    assert Path(f"raw/a{ending}/c.txt").exists()


def test_a_pipe_where_a_text_belongs(prep: Prep, draw: Draw, home: Path) -> None:
    """Case C3: a pipe or socket in a text's place is not waited for."""
    draw("raw/a.png")
    draw("raw/b.png")
    os.mkfifo("raw/a.txt")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("raw/b.caption")
        told = prep("tag", "raw", "--model", "tiny")

    assert told.code == 3
    for name in ("a.txt", "b.caption"):
        line = f"  failed: {name[0]}.png: `{name}` is not a regular file: move it away\n"
        assert line in told.out


def test_a_folder_without_rights(draw: Draw, home: Path, mortal: list[str]) -> None:
    """Case C3: it is listed, its known pictures are not taken for gone, and the rest goes on."""
    for number in range(4):
        draw(f"raw/{number}.png")
    for number in range(6):
        draw(f"raw/shut/{number}.png")
    (home / "raw/shut/0.txt").write_text("my words")
    before = run_under(mortal, home, "tag", "raw", "--model", "tiny")
    (home / "raw/shut").chmod(0)
    during = run_under(mortal, home, "edit", "raw")
    draw("raw/new.png")
    more = run_under(mortal, home, "tag", "raw", "--model", "tiny")
    (home / "raw/shut").chmod(0o755)
    after = run_under(mortal, home, "edit", "raw")

    assert (before.returncode, during.returncode, more.returncode) == (0, 3, 3)
    assert "  failed: shut/: this folder cannot be read: Permission denied\n" in during.stdout
    assert "  failed: shut/3.png: its folder cannot be read\n" in during.stdout
    assert during.stdout.endswith("  11 pictures: 4 good, 0 left out, 7 failed\n")
    assert "tag: 1 scored," in more.stdout
    assert after.returncode == 0
    assert after.stdout.endswith("  11 pictures: 11 good, 0 left out, 0 failed\n")
    assert json.loads((home / "meta.json").read_text())["samples"]["shut/0.png"]["tags"] == [
        "my words"
    ]


def test_a_fan_out_keeps_what_it_made_of_a_folder_without_rights(
    draw: Draw, home: Path, mortal: list[str]
) -> None:
    """Case C3: pictures cut from those of a folder that cannot be read today stay."""
    draw("raw/a.png")
    draw("raw/shut/b.png")
    crop = ("crop", "raw", "cut", "--min-side", "8")
    assert run_under(mortal, home, *crop).returncode == 0
    (home / "raw/shut").chmod(0)
    told = run_under(mortal, home, *crop)
    (home / "raw/shut").chmod(0o755)

    assert told.returncode == 3
    assert told.stdout.endswith("  3 pictures: 1 good, 0 left out, 2 failed\n")
    assert (home / "cut/shut/b.png@crop.png").exists()


@pytest.fixture
def nested(draw: Draw, home: Path) -> Iterator[Callable[[str], None]]:
    """Lay a picture into 1,200 folders of one name, each in the one before."""

    def made(part: str) -> None:
        picture = draw("raw/a.png")
        start = os.open("raw", os.O_RDONLY)
        for _ in range(1200):
            os.mkdir(part, dir_fd=start)
            inner = os.open(part, os.O_RDONLY, dir_fd=start)
            os.close(start)
            start = inner
        os.link(picture, "z.png", dst_dir_fd=start)
        os.close(start)

    yield made
    subprocess.run(["rm", "-rf", "raw"], cwd=home, check=True)  # pytest's own would not manage


@pytest.mark.parametrize(("part", "read"), [("d", True), ("deeply" * 4, False)])
def test_a_thousand_nested_folders(
    prep: Prep, nested: Callable[[str], None], part: str, read: bool
) -> None:
    """Case C3: folders as deep as a disk takes are read; what lies deeper is listed; all go on."""
    nested(part)
    told = prep("tag", "raw", "--model", "tiny")

    assert told.err == ""
    if read:
        assert told.code == 0
        assert told.out.endswith("  2 pictures: 2 good, 0 left out, 0 failed\n")
    else:
        assert told.code == 3
        assert "/: this folder cannot be read: File name too long\n" in told.out
        assert told.out.endswith("  2 pictures: 1 good, 0 left out, 1 failed\n")
    assert prep("status", "--in", "raw").code == 0


def test_a_path_that_leaves_no_room_for_a_text(prep: Prep, draw: Draw, home: Path) -> None:
    """Case C3: a picture whose path a disk takes just so is listed; the run goes on without it."""
    draw("raw/a.png")
    room = 4080 - len(str(home / "raw")) - len("/z.png")
    top = Path("raw", *["d" * 199] * (room // 200), "e" * (room % 200 - 1))
    top.mkdir(parents=True)
    (top / "z.png").write_bytes(Path("raw/a.png").read_bytes())
    told = prep("tag", "raw", "--model", "tiny")

    assert told.code == 3
    assert "z.png: its path is longer than a disk allows: move it further up\n" in told.out
    assert told.out.endswith("  2 pictures: 1 good, 0 left out, 1 failed\n")


STEMS = st.sampled_from(
    ["a", "b", "B", ".a", "x y", "\u732b", "e\u0301", "\u00e9", "set\\0", "C:d", "-a", "con", "a.",
     "two\nlines", "bad\udcff", "tu\u202ern", "n" * 240, "thumbs", "@eaDir", "meta", "a.png"]
)  # fmt: skip
ENDS = st.sampled_from(
    ["", ".png", ".PNG", ".jpe", ".txt", ".TXT", ".caption", ".heic", ".psd", ".db", ".json", ". x"]
)
NAMES = st.builds(str.__add__, STEMS, ENDS)
KINDS = st.sampled_from(["file", "file", "file", "fifo", "link", "broken", "folder link"])
TREES = st.recursive(
    st.dictionaries(NAMES, KINDS, max_size=6),
    lambda inner: st.dictionaries(NAMES, KINDS | inner, max_size=6),
    max_leaves=4,
)


def grown(top: Path, tree: dict[str, Any]) -> int:
    """Make a tree; return how many things are to be accounted for: all but what is passed over."""
    count = 0
    top.mkdir()
    for name, kind in tree.items():
        path = top / name
        if len(os.fsencode(name)) > 255 or os.path.lexists(path):
            continue
        passed = name.startswith(".") or name.lower() in ("thumbs.db", "@eadir")
        if isinstance(kind, dict):
            count += grown(path, kind) * (not passed)
            continue
        count += not passed
        match kind:
            case "file":
                path.write_bytes(b"x")
            case "fifo":
                os.mkfifo(path)
            case _:
                to = {"link": __file__, "broken": "nowhere", "folder link": "/usr"}[kind]
                path.symlink_to(to)
    return count


def account(found: Folder) -> list[str]:
    """Return what a scan names, each thing as often as it is named."""
    pictures = [*found.pictures.values(), *(name for name in found.faulty if name[-1] != "/")]
    return [*pictures, *found.sidecars.values(), *found.others]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(tree=TREES)
def test_every_tree_is_accounted_for_whole(tmp_path_factory: Any, tree: dict[str, Any]) -> None:
    """Case B4: whatever the names, links, pipes and endings, each thing is named exactly once."""
    top = tmp_path_factory.mktemp("tree") / "top"
    count = grown(top, tree)

    named = account(scan(top, (".txt", ".caption")))

    assert len(named) == len(set(named)) == count
