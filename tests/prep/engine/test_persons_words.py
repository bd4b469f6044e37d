"""What a person wrote beside a picture is the person's: kept, named, used, given back on demand."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file

TAGGED = """\
pipelines:
  words:
    images: ./images
    stages:
      - tag: {model: tiny, threshold: 0.35}
      - edit: {rules: ./tags.rules, trigger: mascot}
"""
INHERITING = """\
pipelines:
  words:
    images: ./raw
    stages:
      - crop: {to: ./cut, min_side: 32}
      - augment: {to: ./images}
      - tag: {model: tiny}
      - edit
"""


@pytest.fixture
def project(home: Path, draw: Callable[..., Path]) -> Path:
    """Three pictures and a pipeline that tags and edits them; nothing has run."""
    for name in "abc":
        draw(f"images/{name}.png")
    (home / "pipelines.yaml").write_text(TAGGED)
    (home / "tags.rules").write_text("- rename: {mine: ours}\n")
    return home


def tags_of(key: str) -> tuple[str, ...]:
    """Return what a sample trains on."""
    return dataset_file.load(Path("meta.json")).samples[key].tags


def stamp(path: str) -> tuple[bytes, int, int]:
    """Return a file's bytes, time and inode: what changes when it is written again."""
    found = Path(path).stat()
    return Path(path).read_bytes(), found.st_mtime_ns, found.st_ino


def test_a_sidecar_written_by_hand_is_used_and_never_touched(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Row 29: bytes, odd ones too, and time of a person's sidecar stay; the rules read its tags."""
    Path("images/a.txt").write_bytes(b"\xef\xbb\xbfmine,  two words \r\nlast")
    before = stamp("images/a.txt")

    first, second = prep("run"), prep("run")

    assert stamp("images/a.txt") == before
    assert tags_of("a.png") == ("mascot", "ours", "two words", "last")
    assert "  kept as you edited it: a.txt\n" in first.out
    assert second.out.splitlines()[0] == "`images` is up to date: nothing to do"
    assert (first.code, second.code) == (0, 0)


def test_an_edited_sidecar_is_kept_named_and_used(project: Path, prep: Callable[..., Any]) -> None:
    """A sidecar that prep wrote and a person edited is the person's from then on."""
    prep("run")
    Path("images/b.txt").write_text("mine")
    before = stamp("images/b.txt")

    edited, after = prep("run"), prep("run")

    assert edited.out.splitlines()[:2] == [
        "`images`: tag: 1 kept as you edited it; edit: 1 put through the rules",
        "  kept as you edited it: b.txt",
    ]
    assert stamp("images/b.txt") == before
    assert tags_of("b.png") == ("mascot", "ours")
    assert "up to date" in after.out
    assert edited.code == after.code == 0


def test_a_deleted_sidecar_gives_the_words_back(project: Path, prep: Callable[..., Any]) -> None:
    """Row 68: whoever deletes a sidecar, edited or not, finds the machine's text there again."""
    prep("run")
    machine = Path("images/b.txt").read_bytes()
    Path("images/a.txt").unlink()
    Path("images/b.txt").write_text("mine")
    prep("run")
    Path("images/b.txt").unlink()

    assert prep("run").code == 0

    assert Path("images/b.txt").read_bytes() == machine
    assert Path("images/a.txt").exists()
    assert "mine" not in tags_of("b.png")


def test_an_emptied_sidecar_means_no_tags(project: Path, prep: Callable[..., Any]) -> None:
    """A person may take every tag away: an empty file is an answer, not a gap."""
    prep("run")
    Path("images/b.txt").write_bytes(b"")

    assert prep("run").code == 0

    assert Path("images/b.txt").read_bytes() == b""
    assert tags_of("b.png") == ("mascot",)


def test_a_changed_threshold_is_quiet_about_edited_words(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Row 30: the machine changes its mind, the person's sidecar stays, and `why` tells both."""
    prep("run")
    Path("images/b.txt").write_text("mine")
    prep("run")
    before = stamp("images/b.txt")
    Path("pipelines.yaml").write_text(TAGGED.replace("0.35", "0.95"))

    changed = prep("run")
    why = prep("why", "b.png").out

    assert changed.code == 0
    assert stamp("images/b.txt") == before
    assert "b.txt" not in changed.out
    assert "  tags: yours, from b.txt: mine\n" in why
    assert "  tag: up to date, the machine says rating " in why


def test_reset_gives_a_picture_back_to_the_machine(project: Path, prep: Callable[..., Any]) -> None:
    """`prep reset KEY` takes a person's words out; the next run writes the machine's."""
    prep("run")
    machine = {name: Path(f"images/{name}.txt").read_bytes() for name in "bc"}
    for name in "bc":
        Path(f"images/{name}.txt").write_text(f"mine {name}")
    prep("run")

    reset = prep("reset", "b.png")
    prep("run")

    assert reset.out == "`b.png` is the machine's again; the next run writes it anew\n"
    assert Path("images/b.txt").read_bytes() == machine["b"]
    assert Path("images/c.txt").read_text() == "mine c"
    assert prep("reset", "b.png").err == (
        "error: nothing of `b.png` was written by a person, and nothing failed\n"
        "hint: did you mean `c.png`?\n"
    )


@pytest.mark.parametrize("with_sidecar", [True, False])
def test_words_follow_a_renamed_picture(
    project: Path, prep: Callable[..., Any], with_sidecar: bool
) -> None:
    """A renamed picture keeps its person's words, whether or not its sidecar was renamed too."""
    Path("images/b.txt").write_text("mine")
    prep("run")
    Path("images/b.png").rename("images/z.png")
    if with_sidecar:
        Path("images/b.txt").rename("images/z.txt")

    for _ in range(2):
        assert prep("run").code == 0

    assert tags_of("z.png") == ("mascot", "ours")
    assert Path("images/z.txt").read_text().strip() == "mine"
    assert Path("images/b.txt").exists() == (not with_sidecar)

    Path("images/z.txt").write_text("newer")
    assert prep("run").code == 0
    assert tags_of("z.png") == ("mascot", "newer")


def test_words_survive_a_replaced_picture(
    project: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """Other pixels under the same name keep the person's words."""
    Path("images/b.txt").write_text("mine")
    prep("run")
    before = stamp("images/b.txt")
    draw("images/b.png", seed=9)

    assert prep("run").code == 0

    assert stamp("images/b.txt") == before
    assert tags_of("b.png") == ("mascot", "ours")


def test_a_persons_sidecar_outlives_its_picture(project: Path, prep: Callable[..., Any]) -> None:
    """Of a deleted picture prep's own sidecar goes; a person's stays and is named."""
    Path("images/b.txt").write_text("mine")
    prep("run")
    for name in "ab":
        Path(f"images/{name}.png").unlink()

    told = prep("run", "--accept-missing")

    assert not Path("images/a.txt").exists()
    assert Path("images/b.txt").read_text() == "mine"
    assert "  kept as you edited it: b.txt\n" in told.out


def test_the_journal_alone_keeps_every_edit(project: Path, prep: Callable[..., Any]) -> None:
    """Without its ledger a dataset knows from the journal what is prep's and what a person's."""
    prep("run")
    Path("images/b.txt").write_text("mine")
    sheet = Path("images/tags.csv").read_text(encoding="utf-8-sig")
    cells = sheet.replace("c.png,", "c.png,", 1).splitlines()
    Path("images/tags.csv").write_text(
        "\n".join(f"{line}a note" if line.startswith("c.png") else line for line in cells),
        encoding="utf-8-sig",
    )
    prep("run")
    prep("review", "import")
    edited = Path("meta.json").read_text().replace('"weight": 1.0', '"weight": 2.0', 1)
    Path("meta.json").write_text(edited)
    prep("run")
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.suffix in (".txt", ".csv", ".json")}
    for path in Path("images/.prep").glob("ledger*"):
        path.unlink()

    assert prep("run").code == 0

    assert {path: path.read_bytes() for path in before if path.name != "holder.json"} == {
        path: data for path, data in before.items() if path.name != "holder.json"
    }
    assert "a note" in Path("images/tags.csv").read_text(encoding="utf-8-sig")
    assert dataset_file.load(Path("meta.json")).samples["a.png"].weight == 2.0
    why = prep("why", "b.png").out
    assert "tags: yours, from b.txt: mine" in why


def test_a_caption_written_by_hand_needs_no_captioner(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Where a person's caption stands beside every picture, no model is asked for, or found."""
    for name in "abc":
        Path(f"images/{name}.caption").write_text(f"a drawing of {name}\n")
    Path("pipelines.yaml").write_text(
        TAGGED.replace("    stages:\n", "    stages:\n      - caption: {model: tiny}\n")
    )

    told = prep("run")

    assert told.code == 0
    assert "caption" not in told.out.splitlines()[0].replace("caption_sidecar", "")
    assert dataset_file.load(Path("meta.json")).samples["b.png"].caption == "a drawing of b"


@pytest.fixture
def derived(home: Path, draw: Callable[..., Path]) -> Path:
    """Two pictures that are cropped, then mirrored; the first has a person's words."""
    for name in "ab":
        draw(f"raw/{name}.png")
    (home / "raw/a.txt").write_text("mine, first")
    (home / "pipelines.yaml").write_text(INHERITING)
    return home


FLIPPED = "a.png@crop.png@flip.png"
PLAIN = "a.png@crop.png"


def test_words_are_inherited_through_every_folder(derived: Path, prep: Callable[..., Any]) -> None:
    """A crop, and its mirror image, have the words that a person wrote for the picture."""
    prep("run")

    assert tags_of(PLAIN) == tags_of(FLIPPED) == ("mine", "first")
    assert Path(f"images/{PLAIN}").with_suffix(".txt").read_text() == "mine, first\n"
    assert "tags: yours, from inherited: mine, first" in prep("why", FLIPPED).out


def test_the_machines_words_are_not_inherited(derived: Path, prep: Callable[..., Any]) -> None:
    """What a tagger wrote for the source says nothing of a crop: it takes its own scores."""
    prep("tag", "raw", "--model", "tiny", "--threshold", "0.9999")
    machine = Path("raw/b.txt").read_text().split(",")

    prep("run")

    assert len(tags_of("b.png@crop.png")) > len(machine)


def test_words_edited_at_the_source_arrive(derived: Path, prep: Callable[..., Any]) -> None:
    """A source's sidecar that is edited or deleted later changes what its crops say."""
    prep("run")
    Path("raw/a.txt").write_text("other")

    prep("run")
    assert tags_of(PLAIN) == tags_of(FLIPPED) == ("other",)

    Path("raw/a.txt").unlink()
    assert prep("run").code == 0
    assert "other" not in tags_of(PLAIN)


def test_a_derived_pictures_own_words_win(derived: Path, prep: Callable[..., Any]) -> None:
    """The sidecar beside a crop is about the crop; deleting it returns to the inherited words."""
    prep("run")
    own = Path("images") / FLIPPED.replace("@flip.png", "@flip.txt")
    own.write_text("mirrored")
    Path("raw/a.txt").write_text("other")

    prep("run")
    assert (tags_of(PLAIN), tags_of(FLIPPED)) == (("other",), ("mirrored",))

    own.unlink()
    prep("run")
    assert tags_of(FLIPPED) == ("other",)
    assert prep("reset", FLIPPED).err == (
        f"error: the words of `{FLIPPED}` are those of its source `{PLAIN}`\n"
        f"hint: give that one back: `prep reset {PLAIN} --in cut`\n"
    )


def test_inherited_words_outlive_the_source_folder(derived: Path, prep: Callable[..., Any]) -> None:
    """Where the sources were taken away, what was inherited from them stays."""
    prep("run")
    shutil.rmtree("raw")
    shutil.rmtree("cut")

    assert prep("tag", "images", "--threshold", "0.9").code == 0

    assert Path(f"images/{PLAIN}").with_suffix(".txt").read_text() == "mine, first\n"


def test_sheet_words_of_the_source_are_inherited(derived: Path, prep: Callable[..., Any]) -> None:
    """Words that a person wrote for the source in a sheet count as those of a sidecar."""
    prep("tag", "raw", "--model", "tiny")
    sheet = Path("raw/tags.csv")
    rows = sheet.read_text(encoding="utf-8-sig").splitlines()
    rows[2] = ",".join([*rows[2].split(",")[:4], "from the sheet", "", "", "", ""])
    sheet.write_text("\n".join(rows), encoding="utf-8-sig")
    assert prep("review", "import", "raw/tags.csv").code == 0

    prep("run")

    assert tags_of("b.png@crop.png") == ("from the sheet",)
