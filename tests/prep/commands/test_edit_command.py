"""`prep edit` with operations, `--save` and `prep undo`, typed as a person types them."""

import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file
from tests.prep.killing import tree

TEXTS = {
    "a.txt": b"1girl, solo, blurry, blue eyes\n",
    "b.txt": b"\xef\xbb\xbf1boy, saber \\(fate\\),\r\n  blurry",
    "b.caption": b"a man",
    "c.caption": b"a dog in the rain\n",
}
PIPELINE = """\
pipelines:
  words:
    images: ./images
    stages:
      - edit: {rules: ./tags.rules, trigger: mascot}
      - bucket: {resolution: 64, step: 32, min_side: 16}
"""
SIZES = {"a": (64, 64), "b": (80, 64), "c": (96, 64)}


@pytest.fixture
def images(home: Path, draw: Callable[..., Path]) -> Path:
    """Three pictures with texts that a person wrote; nothing has run."""
    for name, size in SIZES.items():
        draw(f"images/{name}.png", size)
    for name, data in TEXTS.items():
        (home / "images" / name).write_bytes(data)
    return home / "images"


@pytest.fixture
def project(images: Path, prep: Callable[..., Any]) -> Path:
    """The same with a pipeline that has run; stands in its folder."""
    Path("pipelines.yaml").write_text(PIPELINE)
    Path("tags.rules").write_text("# mine\n- drop: nothing")
    assert prep("run").code == 0
    return Path()


def texts() -> dict[str, bytes]:
    """Return the text files beside the pictures."""
    found = sorted(Path("images").glob("*.txt")) + sorted(Path("images").glob("*.caption"))
    return {path.name: path.read_bytes() for path in found}


def everything() -> dict[str, bytes]:
    """Return all files, but for prep's own memory."""
    return {name: data for name, data in tree(Path()).items() if "/.prep/" not in name}


def trained(name: str = "meta.json") -> dict[str, tuple[tuple[str, ...], str]]:
    """Return what each sample of a dataset file trains on."""
    samples = dataset_file.load(Path(name)).samples
    return {key: (sample.tags, sample.caption) for key, sample in samples.items()}


def test_a_filter_alone_lists_what_it_means(images: Path, prep: Callable[..., Any]) -> None:
    """`--where` without an operation names the pictures, and changes nothing."""
    before = everything()

    told = prep("edit", "images", "--where", "blurry width<90")

    assert told == (0, "`images`: 2 of 3 pictures match\n  a.png\n  b.png\n", "")
    assert everything() == before


def test_a_dry_run_shows_each_change_and_makes_none(images: Path, prep: Callable[..., Any]) -> None:
    """The difference of every field of every picture is shown; no file is touched, none made."""
    before = tree(Path())

    told = prep(
        "edit", "images", "--where", "blurry or caption:rain", "--drop", "blurry,*eyes",
        "--first", "solo", "--add", "hat", "--caption", "a toy", "--dry-run",
    )  # fmt: skip

    assert (told.code, told.err) == (0, "")
    assert told.out == (
        "`images`: 3 of 3 pictures match, 3 would change\n"
        "  a.png: tags: -blurry, -blue eyes, +hat, in the order solo, 1girl, hat\n"
        "  a.png: caption: (none) -> a toy\n"
        "  b.png: tags: -blurry, +hat\n"
        "  b.png: caption: a man -> a toy\n"
        "  c.png: tags: +hat\n"
        "  c.png: caption: a dog in the rain -> a toy\n"
    )
    assert tree(Path()) == before


def test_operations_are_done_in_one_order(images: Path, prep: Callable[..., Any]) -> None:
    """Drop, rename, replace, add, first, caption: whatever the order of the options."""
    told = prep(
        "edit", "images", "--where", "tag:1girl or tag:1boy", "--replace-caption", "(a) man",
        r"\1n elf", "--first", "solo, hat", "--add", "hat", "--replace", r"(\w+) eyes",
        r"\1-eyed, gaze", "--rename", "solo", "alone", "--drop", "blurry",
    )  # fmt: skip

    assert told.code == 0
    assert texts() == {
        "a.txt": b"hat, 1girl, alone, blue-eyed, gaze\n",
        "b.txt": b"hat, 1boy, saber \\(fate\\)\n",
        "b.caption": b"an elf\n",
        "c.caption": TEXTS["c.caption"],
    }
    assert told.out.splitlines()[-1] == "  `prep undo --in images` takes it back"


def test_an_empty_caption_is_set_as_any_other(images: Path, prep: Callable[..., Any]) -> None:
    """`--caption ""` takes the captions away, and one undo brings them back."""
    told = prep("edit", "images", "--caption", "")

    assert "`images`: 3 pictures, 2 changed\n  b.png: caption: a man -> (none)\n" in told.out
    assert (texts()["b.caption"], texts()["c.caption"]) == (b"\n", b"\n")
    prep("undo", "--in", "images")
    assert texts() == TEXTS


def test_an_edit_is_the_persons_words(project: Path, prep: Callable[..., Any]) -> None:
    """What an edit wrote is used like text typed by hand, and no later run changes it."""
    prep("edit", "images", "--where", "1girl", "--add", "hat")
    wanted = texts()

    first, second = prep("run"), prep("run")

    assert (first.code, second.code) == (0, 0)
    assert texts() == wanted
    assert trained()["a.png"][0] == ("mascot", "1girl", "solo", "blurry", "blue eyes", "hat")
    assert (
        "tags: yours, from a.txt: 1girl, solo, blurry, blue eyes, hat" in prep("why", "a.png").out
    )
    assert "nothing to do" in second.out


EDITS = [
    ("--add", "hat"),
    ("--where", "name:a", "--drop", "*"),
    ("--replace", "(.)", r"\1\1"),
    ("--caption", "all the same"),
    ("--where", "has:caption", "--replace-caption", "^", "in short "),
    ("--rename", "blurry", "sharp", "--first", "sharp"),
]


def test_every_edit_can_be_taken_back_to_the_byte(project: Path, prep: Callable[..., Any]) -> None:
    """One undo for each edit, the last first: every file has the bytes it had before."""
    rng = random.Random(5)
    states = [everything()]
    for edit in rng.sample(EDITS, len(EDITS)):
        target = rng.choice(["images", "images", "meta.json", "meta_bucket.json"])
        assert prep("edit", target, *edit).code == 0
        if everything() != states[-1]:  # an edit that changes nothing is none
            states.append(everything())
    assert len(states) > 4

    for wanted in reversed(states[:-1]):
        told = prep("undo")
        assert told.code == 0
        assert everything() == wanted

    assert prep("undo").err == (
        "error: there is no edit of `images` to take back\n"
        "hint: `prep edit` with `--add`, `--drop` and the like makes one\n"
    )
    assert "nothing to do" in prep("run").out
    assert everything() == states[0]


def test_an_edit_is_taken_back_after_a_run_too(project: Path, prep: Callable[..., Any]) -> None:
    """A run between an edit and its undo changes nothing: texts and dataset are as before."""
    before = everything()
    prep("edit", "images", "--add", "hat", "--caption", "short")
    prep("edit", "meta.json", "--where", "name:c", "--add", "extra")
    prep("run")
    assert trained()["c.png"] == (("mascot", "extra"), "short")

    assert [prep("undo").code for _ in range(2)] == [0, 0]
    assert prep("run").code == 0

    assert everything() == before


def test_an_edit_of_the_machines_words_gives_them_back(
    images: Path, prep: Callable[..., Any]
) -> None:
    """Taken back, the machine's text is the machine's again: a new threshold changes it."""
    for name in TEXTS:
        (images / name).unlink()
    prep("tag", "images", "--model", "tiny", "--threshold", "0.01")
    machines = texts()
    prep("edit", "images", "--add", "hat")
    prep("tag", "images", "--model", "tiny", "--threshold", "0.01")
    assert all(b"hat" in data for data in texts().values())

    prep("undo", "--in", "images")

    assert texts() == machines
    assert "edited by you" not in prep("status", "--in", "images").out
    prep("tag", "images", "--model", "tiny", "--threshold", "0.9")
    assert texts() != machines


TOOK_BACK = (
    "took back `prep edit images --where blurry --add hat`: 1 picture\n"
    "  kept a.png: tags: it was changed since\n"
)


def test_what_was_changed_since_is_not_taken_back(project: Path, prep: Callable[..., Any]) -> None:
    """An undo leaves a text that a person edited after the edit, names it, and ends with 4."""
    prep("edit", "images", "--where", "blurry", "--add", "hat")
    (project / "images/a.txt").write_text("mine")

    told = prep("undo")

    assert told == (
        4,
        TOOK_BACK,
        "",
    )
    assert texts()["a.txt"] == b"mine"
    assert texts()["b.txt"] == TEXTS["b.txt"]


def test_a_dataset_file_is_edited_with_those_that_continue_it(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Words of a dataset file change in the whole chain, stand behind the rules, and stay."""
    before = texts()

    told = prep("edit", "meta.json", "--where", "mascot width>=80", "--drop", "mascot,blurry")

    assert told.out == (
        "`meta.json`: 2 of 3 pictures match, 2 changed\n"
        "  b.png: tags: -mascot, -blurry\n"
        "  c.png: tags: -mascot\n"
        "  `prep undo --in images` takes it back\n"
    )
    wanted = {name: trained(name) for name in ("meta.json", "meta_bucket.json")}
    assert wanted["meta.json"]["b.png"] == (("1boy", "saber (fate)"), "a man")
    assert wanted["meta_bucket.json"] == wanted["meta.json"]
    assert texts() == before
    assert "nothing to do" in prep("run").out
    Path("tags.rules").write_text("- add: late\n")
    assert prep("run").code == 3  # c.png has lost its only tag
    assert trained()["b.png"] == wanted["meta.json"]["b.png"]
    assert trained()["a.png"][0][-1] == "late"


def test_a_dataset_file_without_a_ledger_is_edited_too(
    project: Path, prep: Callable[..., Any]
) -> None:
    """A dataset file that came from elsewhere is a source of its own: it alone is changed."""
    text = Path("meta.json").read_text()
    Path("other.json").write_text(text.replace('"state": "images/.prep"', '"state": null'))
    before = everything()

    prep("edit", "other.json", "--where", "-blurry", "--add", "hat")

    after = everything()
    assert {name for name in after if after[name] != before[name]} == {"other.json"}
    assert trained("other.json")["c.png"][0] == ("mascot", "hat")
    prep("undo")
    assert everything() == before


def test_a_saved_edit_is_a_rule_for_pictures_to_come(
    project: Path, prep: Callable[..., Any], draw: Callable[..., Path]
) -> None:
    """`--save` changes no words: it appends to the rules, and new pictures get it as well."""
    before = everything()

    told = prep(
        "edit", "images", "--where", "blurry -1girl", "--drop", "blurry", "--add", "soft", "--save"
    )

    assert told.out == (
        "`images`: 1 of 3 pictures match, 1 would change\n"
        "  b.png: tags: -blurry, +soft\n"
        "  added to `tags.rules`:\n"
        '    - where: "tag:blurry and not tag:1girl"\n'
        '      drop: ["blurry"]\n'
        '      add: ["soft"]\n'
        "  `prep run` brings it into the dataset\n"
        "  `prep undo --in images` takes it back\n"
    )
    assert Path("tags.rules").read_text() == (
        '# mine\n- drop: nothing\n- where: "tag:blurry and not tag:1girl"\n'
        '  drop: ["blurry"]\n  add: ["soft"]\n'
    )
    draw("images/new.png")
    Path("images/new.txt").write_text("blurry")
    assert prep("run").code == 0
    assert {key: tags for key, (tags, _) in trained().items()} == {
        "a.png": ("mascot", "1girl", "solo", "blurry", "blue eyes"),
        "b.png": ("mascot", "1boy", "saber (fate)", "soft"),
        "c.png": ("mascot",),
        "new.png": ("mascot", "soft"),
    }
    assert prep("undo").out == (
        "took back `prep edit images --where 'blurry -1girl' --drop blurry --add soft --save`:"
        " 1 file\n"
    )
    Path("images/new.png").unlink()
    Path("images/new.txt").unlink()
    assert prep("run", "--accept-missing").code == 0
    assert everything() == before


ENDS = [
    ("utf-8", "- drop: x", "\n"),
    ("utf-8-sig", "- drop: x\r\n- add: [a,\r\n    b]\r\n", "\r\n"),
    ("utf-16", "- drop: x\n", "\n"),
    ("utf-16", "# mine\r\n- drop: x", "\r\n"),
]


@pytest.mark.parametrize(("encoding", "text", "end"), ENDS, ids=range(len(ENDS)))
def test_a_saved_edit_is_written_as_the_file_is(
    project: Path, prep: Callable[..., Any], encoding: str, text: str, end: str
) -> None:
    """A rule is added in the rules file's own encoding and line ends; undo restores its bytes."""
    before = text.encode(encoding)
    Path("tags.rules").write_bytes(before)

    told = prep("edit", "images", "--where", "blurry", "--add", "\u96e8", "--save")

    assert (told.code, told.err) == (0, "")
    whole = text + end * (not text.endswith("\n"))
    whole += f'- where: "tag:blurry"{end}  add: ["\u96e8"]{end}'
    assert Path("tags.rules").read_bytes() == whole.encode(encoding)
    assert prep("edit", "images").code == 0
    assert trained()["a.png"][0][-1] == "\u96e8"
    prep("undo")
    assert Path("tags.rules").read_bytes() == before


@pytest.mark.parametrize("text", ["[{drop: x}]\n", "---\n- drop: x\n...\n", "  - drop: x\n"])
def test_a_rules_file_with_no_room_below_is_left_alone(
    project: Path, prep: Callable[..., Any], text: str
) -> None:
    """Where no rule can stand below the last line, `--save` says so; the file is as it was."""
    Path("tags.rules").write_text(text)

    told = prep("edit", "images", "--add", "hat", "--save")

    assert (told.code, told.out) == (1, "")
    assert told.err == (
        "error: `tags.rules` is not a list to which a line `- ...` can be added\n"
        "hint: write it as lines that begin with `- `, nothing before or below them\n"
    )
    assert Path("tags.rules").read_text() == text


def test_pictures_that_share_a_text_are_edited_in_memory(
    images: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """Two pictures with one stem have no text file of their own: none is written, both edited."""
    draw("images/c.jpg", (64, 64))
    before = texts()

    prep("edit", "images", "--where", "name:c", "--add", "hat")

    assert texts() == before
    prep("edit", "images")
    assert trained()["c.jpg"][0] == trained()["c.png"][0] == ("hat",)
    prep("undo", "--in", "images")
    prep("edit", "images")
    assert trained()["c.jpg"][0] == ()


def test_pictures_that_no_edit_reaches_are_named(images: Path, prep: Callable[..., Any]) -> None:
    """A picture whose text cannot be read is listed by every edit, which ends with 3."""
    (images / "c.caption").write_bytes(b"a dog \xff")
    why = "`c.caption` cannot be read: it is not UTF-8 at byte 6; save it as UTF-8"
    left = f"  failed: c.png: {why}\n"

    listed = prep("edit", "images", "--where", "1girl")
    edited = prep("edit", "images", "--where", "1girl", "--add", "hat")

    assert listed == (3, "`images`: 1 of 3 pictures match\n  a.png\n" + left, "")
    assert (edited.code, edited.err) == (3, "")
    assert edited.out == (
        "`images`: 1 of 3 pictures match, 1 changed\n  a.png: tags: +hat\n"
        f"  `prep undo --in images` takes it back\n{left}"
    )


def test_the_way_back_that_is_told_leads_back(
    images: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """The command that an edit names takes it back: other folders, pipelines and states as well."""
    draw("more/a.png")
    Path("other.yaml").write_text(PIPELINE.replace("./images", "./images\n    state: ./s"))
    Path("pipelines.yaml").write_text(
        PIPELINE.replace("stages:\n", "stages:\n      - augment: {to: ./more}\n")
    )
    Path("tags.rules").write_text("- drop: nothing\n")
    before = texts()
    for words in [
        ("images",), ("more",), ("images", "--state", "elsewhere"),
        ("images", "--pipelines", "other.yaml"),
    ]:  # fmt: skip
        told = prep("edit", *words, "--add", "hat")
        assert told.code == 0
        back = shlex.split(told.out.rpartition("`")[0].rpartition("`")[2])

        assert prep(*back[1:]).code == 0

        assert texts() == before
        assert not Path("more/a.txt").exists()


def test_a_rule_that_was_saved_and_removed_again_stays_away(
    project: Path, prep: Callable[..., Any]
) -> None:
    """A person who takes a saved rule out of the file by hand never finds it there again."""
    before = Path("tags.rules").read_bytes()
    save = ("edit", "images", "--add", "hat", "--save")
    prep(*save)
    with_it = Path("tags.rules").read_bytes()
    Path("tags.rules").write_bytes(before)

    prep("edit", "images", "--where", "1girl", "--add", "scarf")

    assert Path("tags.rules").read_bytes() == before
    assert "added to `tags.rules`" in prep(*save).out
    assert Path("tags.rules").read_bytes() == with_it


@pytest.mark.parametrize("ran", [False, True], ids=["at once", "after a run"])
@pytest.mark.parametrize("along", [False, True], ids=["picture", "picture and text"])
def test_an_edit_of_a_picture_that_was_renamed_since_is_taken_back(
    project: Path, prep: Callable[..., Any], ran: bool, along: bool
) -> None:
    """An undo finds a picture under its new name, with its text or without, after a run or not."""
    before = trained()
    prep("edit", "images", "--add", "hat")
    prep("edit", "meta.json", "--add", "late")
    Path("images/a.png").rename("images/z.png")
    if along:
        Path("images/a.txt").rename("images/z.txt")
    if ran:
        assert prep("run").code == 0

    undone = [prep("undo"), prep("undo")]

    assert [told.out for told in undone] == [
        "took back `prep edit meta.json --add late`: 3 pictures\n",
        "took back `prep edit images --add hat`: 3 pictures\n",
    ]
    assert prep("run").code == 0
    assert trained() == {
        "b.png": before["b.png"],
        "c.png": before["c.png"],
        "z.png": before["a.png"],
    }
    wanted = {name.replace("a.txt", "z.txt") if along else name: TEXTS[name] for name in TEXTS}
    assert texts() == wanted


def test_a_plan_says_that_a_dataset_file_was_edited(
    project: Path, prep: Callable[..., Any]
) -> None:
    """A dataset file that holds a person's words is not called damaged; one that is gone is."""
    prep("edit", "meta.json", "--add", "late")
    edited = prep("plan").out
    prep("run")
    Path("meta.json").unlink()

    gone = prep("plan").out

    assert "  edit          meta.json to write: what you wrote there changed\n" in edited
    assert "  edit          meta.json to write: its result is gone or damaged\n" in gone


MISTAKES = [
    (("--where", "widht<5"), 2, "`--where` column 1: nothing is named `widht`",
     "did you mean `width`?"),
    (("--replace", "(", "x"), 2,
     "`--replace`: `(` is not a pattern: missing ), unterminated subpattern",
     r"put a backslash before a character that stands for itself, such as `\(`"),
    (("--rename", "a, b", "c"), 2, "`--rename` needs one tag and one new one",
     "write `--rename grin smile`"),
    (("--drop", " , "), 2, "`--drop` names no tag", "write `--drop blurry`"),
    (("--add", "a\x07"), 2, "`--add`: line 1 holds the control character U+0007",
     "type it without"),
    (("--where", "", "--drop", "a"), 2, "`--where` column 1: a tag or a condition is missing",
     "write one, such as `tag:solo`"),
    (("--add", "", "--drop", "a"), 2, "`--add` names no tag", "write `--add blurry`"),
    (("--where", "solo", "--where", "1girl", "--drop", "a"), 2, "`--where` is given twice",
     "write one: `solo (rain or snow)`"),
    (("--rename", "a", "b", "--rename", "c", "d"), 2, "`--rename` is given twice",
     "type two commands, one after the other"),
    (("--save",), 2, "`--save` has nothing to save", "say what to do: `--drop blurry --save`"),
    (("--add", "x", "--save"), 2, "`--save`: no rules file is named for `images`",
     "write `- edit: {rules: ./tags.rules}` into pipelines.yaml"),
    (("--add", "x", "--trigger", "y"), 2, "`--trigger` does not go with `--add`",
     "one edits words now, the other says how rules make a dataset file: type two commands"),
    (("--where", "score:a>0"), 1, "`score:` in a filter needs the labels of the tagger that scored",
     "name it: `--tagger`, or `tagger:` below `edit` in pipelines.yaml"),
    (("--where", "score:a>0", "--tagger", "tiny"), 1, "no picture of `images` was scored",
     "run `prep tag images` first"),
    (("--replace", "(a|aa)+$", "x"), 1, None, "write it without a repeat inside a repeat"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "message", "hint"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_two_lines_and_changes_nothing(
    images: Path, prep: Callable[..., Any], words: Any, code: int, message: str, hint: str
) -> None:
    """What cannot be done says so, what to type instead, and no text file changes."""
    (images / "a.txt").write_text("a" * 60 + "b")
    before = everything()

    told = prep("edit", "images", *words)

    message = message or f"the pattern `(a|aa)+$` takes more than 1 s on `{'a' * 40}`"
    assert (told.code, told.out, told.err) == (code, "", f"error: {message}\nhint: {hint}\n")
    assert everything() == before
