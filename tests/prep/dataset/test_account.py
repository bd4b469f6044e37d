"""What becomes of the words of each picture: told by every command, and adding up."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.dataset import dataset_file
from prep.dataset.account import Account, account, joined
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.stages import all_stages
from prep.tags.tag_text import parsed, unsplit
from tests.prep import projects
from tests.prep.changes import PICTURE, edit_sidecar, replace_pixels
from tests.prep.projects import Project
from tests.tagger_models.model_server import Act, Server, says, serving

Prep = Callable[..., Any]
Draw = Callable[..., Path]
LINE = (
    "3 of 6 pictures have no text: 03.png (its caption is not used: `--text both`), 05.png, 06.png"
)


def texts(**files: str) -> None:
    """Write text files into `raw`: `t01` is 01.txt, `c01` is 01.caption."""
    for name, text in files.items():
        suffix = {"t": ".txt", "c": ".caption"}[name[0]]
        (Path("raw") / f"{name[1:]}{suffix}").write_text(text, encoding="utf-8")


def trained(name: str = "meta.json") -> dict[str, str]:
    """Return what each sample of a dataset file trains on."""
    found = dataset_file.load(Path(name))
    return {key: one.training_text(found.trigger(one)) for key, one in found.samples.items()}


@pytest.fixture
def six(draw: Draw) -> None:
    """Six pictures: three with a `.txt`, one with a `.caption` only, two with neither."""
    for number in range(1, 7):
        draw(f"raw/0{number}.png")
    texts(t01="girl, hat", t02="girl", t04="girl", c03="a girl in the rain")


def test_the_trigger_stands_in_front_of_what_trains(prep: Prep, draw: Draw) -> None:
    """Case A1: of a caption, too; not twice where a person wrote it there."""
    for number in range(1, 4):
        draw(f"raw/0{number}.png")
    texts(c01="a girl", c02="Zzk in the rain", c03="zzkx, a girl", t01="hat", t02="hat", t03="hat")

    assert prep("edit", "raw", "--text", "caption", "--trigger", "zzk").code == 0
    assert trained() == {
        "01.png": "zzk, a girl",
        "02.png": "Zzk in the rain",
        "03.png": "zzk, zzkx, a girl",
    }
    prep("edit", "raw", "--text", "both", "--trigger", "zzk")
    assert trained()["01.png"] == "zzk, hat, a girl"
    prep("edit", "raw", "--text", "tags", "--trigger", "zzk")
    assert trained()["01.png"] == "zzk, hat"


def test_pictures_without_a_text_are_named(six: None, prep: Prep) -> None:
    """Case A2: in one line of `edit` and `bucket`, by every run and with `-q`, and exit 3."""
    first, again, quiet = prep("edit", "raw"), prep("edit", "raw"), prep("edit", "raw", "-q")
    bucket = prep("bucket", "meta.json", "--resolution", 64, "--step", 32)
    idle = prep("bucket", "meta.json", "--resolution", 64, "--step", 32, "-q")

    assert [said.code for said in (first, again, quiet, bucket, idle)] == [3] * 5
    for said in (first, again, bucket):
        assert said.out.count(f"  {LINE}\n") == 1
    assert quiet == idle == (3, "", f"{LINE}\n")
    assert "6 pictures: 6 good, 0 left out, 0 failed" in again.out


def test_pictures_without_a_text_are_listed(six: None, prep: Prep) -> None:
    """Case A2: by `prep status`, `prep why` and the lint, with the option that would change it."""
    prep("edit", "raw")
    status = prep("status", "--in", "raw").out
    why = prep("why", "03.png", "--in", "raw").out
    Path("words.csv").write_text("name\ngirl\nhat\n")
    lint = [
        prep("tags", of, "--lint", "--vocabulary", "words.csv").out for of in ("meta.json", "raw")
    ]

    reason = "its caption is not used: `--text both`"
    assert f"  meta.json: no text: 03.png: {reason}\n  meta.json: no text: 05.png\n" in status
    assert "  meta.json: trains on no text\n" in why
    assert "  meta.json: trains on `girl`\n" in prep("why", "02.png", "--in", "raw").out
    assert f"  meta.json: no text: {reason}\n" in why
    assert f"empty: `03.png`: no text: {reason}\nempty: `05.png`: no text\n" in lint[0]
    assert "empty: `05.png`: no text\nempty: `06.png`: no text\n" in lint[1]
    assert "03.png" not in lint[1]  # a folder does not say what will train: it has words


def test_the_last_file_of_a_chain_is_told_of(six: None, prep: Prep) -> None:
    """Case A2: `prep status` and `prep why` tell of what trains, not of each file before it."""
    prep("edit", "raw")
    prep("bucket", "meta.json", "--resolution", 64, "--step", 32)
    prep("latents", "meta_bucket.json", "--model", "tiny")
    prep("edit", "raw", "--out", "other.json", "--text", "caption")

    status, why = prep("status", "--in", "raw").out, prep("why", "05.png", "--in", "raw").out
    assert [line for line in status.splitlines() if "no text: 05.png" in line] == [
        "  meta_lat.json: no text: 05.png", "  other.json: no text: 05.png",
    ]  # fmt: skip
    assert "  meta_lat.json: trains on no text\n" in why
    assert "meta_bucket.json" not in status + why


def test_what_was_asked_for_is_no_fault(six: None, prep: Prep) -> None:
    """Case A2: `--text both` trains the sentence, `--skip-empty` leaves the others out, exit 0."""
    both = prep("edit", "raw", "--text", "both")
    skipped = prep("edit", "raw", "--skip-empty")
    idle = prep("edit", "raw", "--skip-empty")
    bucket = prep("bucket", "meta.json", "--resolution", 64, "--step", 32)

    assert "  2 of 6 pictures have no text: 05.png, 06.png\n" in both.out
    assert (both.code, skipped.code, idle.code, bucket.code) == (3, 0, 0, 0)
    for said in (skipped, idle, bucket):
        assert "  left out: 05.png: it has no text\n" in said.out
        assert "6 pictures: 3 good, 3 left out, 0 failed" in said.out
    found = dataset_file.load(Path("meta_bucket.json"))
    assert list(found.samples) == ["01.png", "02.png", "04.png"]
    assert found.left_out == {
        "03.png": "it has no text (its caption is not used: `--text both`)",
        "05.png": "it has no text",
        "06.png": "it has no text",
    }


def test_skip_empty_is_a_key(six: None, prep: Prep) -> None:
    """Case A2: pipelines.yaml takes it as well; a picture that gets words comes back."""
    Path("pipelines.yaml").write_text(
        "pipelines:\n  p:\n    images: ./raw\n    stages:\n      - edit: {skip_empty: true}\n"
    )
    assert prep("run").code == 0
    texts(t05="hat")

    assert prep("run").code == 0
    assert trained() == {"01.png": "girl, hat", "02.png": "girl", "04.png": "girl", "05.png": "hat"}


@pytest.mark.parametrize(
    "stages", ["[edit]", "[edit: {trigger: zzk}]", "[tag: {model: tiny}, edit]"]
)
def test_sentences_train_where_a_person_brings_them(stages: str, draw: Draw, prep: Prep) -> None:
    """Case A3: `sidecars: caption` makes them train, whatever else is in the pipeline."""
    for name in ("a", "b"):
        draw(f"raw/{name}.png")
        (Path("raw") / f"{name}.txt").write_text(f"a girl, and {name}")
    Path("pipelines.yaml").write_text(
        f"pipelines:\n  p:\n    images: ./raw\n    sidecars: caption\n    stages: {stages}\n"
    )
    said = prep("run")

    before = "zzk, " if "zzk" in stages else ""
    assert (said.code, trained()) == (
        0, {"a.png": f"{before}a girl, and a", "b.png": f"{before}a girl, and b"}
    )  # fmt: skip
    prep("edit", "raw", "--out", "other.json")
    assert trained("other.json")["a.png"].endswith("a girl, and a")


def test_captions_that_are_not_read_are_named(draw: Draw, prep: Prep) -> None:
    """Case A3: with `sidecars: caption` a `.caption` file is no sidecar, and that is said."""
    draw("raw/a.png")
    texts(ta="a girl", ca="a hat")
    Path("pipelines.yaml").write_text(
        "pipelines:\n  p:\n    images: ./raw\n    sidecars: caption\n    stages: [edit]\n"
    )
    said = prep("run")

    line = "1 text file belongs to no picture: a.caption (texts are read from .txt alone)"
    assert (said.code, trained()) == (0, {"a.png": "a girl"})
    assert f"  {line}\n" in said.out


def test_sentences_that_do_not_train_are_told(draw: Draw, prep: Prep) -> None:
    """Case A3: where another text is asked for, it is said which words do not train."""
    draw("raw/a.png")
    (Path("raw") / "a.txt").write_text("a girl")
    Path("pipelines.yaml").write_text(
        "pipelines:\n  p:\n    images: ./raw\n    sidecars: caption\n    stages:\n"
        "      - tag: {model: tiny}\n      - edit: {text: tags}\n"
    )
    told = "1 of 1 picture has words of yours that do not train: a.png (its caption is not used"

    assert f"  {told}: `--text both`)\n" in prep("run").out


@pytest.fixture
def shy() -> Iterator[Server]:
    """A server that refuses the red picture, says nothing of the dark one, and knows the others."""

    def plan(_: int, asked: Any) -> Act:
        red: Any = asked.image().convert("RGB").getpixel((2, 2))
        return says({0: "", 5: "I'm sorry, but I can't help with that."}.get(red[0] // 40, "a hat"))

    with serving(plan) as server:
        yield server


def plain_pictures(*reds: int) -> None:
    """Write pictures of one colour, named by how red they are."""
    from PIL import Image

    Path("raw").mkdir()
    for red in reds:
        Image.new("RGB", (64, 64), (red, 0, 0)).save(f"raw/{red}.png")


def test_a_picture_that_was_not_answered_is_left_out(home: Path, prep: Prep, shy: Server) -> None:
    """Case A4: with the captioner's reason, exit 3, until a person writes its words."""
    plain_pictures(0, 80, 120, 200)
    prep("caption", "raw", "--url", shy.url, "--model", "cat")
    said = prep("edit", "raw", "--text", "caption")

    assert said.code == 3
    assert "  failed: 0.png: the captioner answered nothing; " in said.out
    assert "4 pictures: 2 good, 0 left out, 2 failed" in said.out
    assert trained() == {"120.png": "a hat", "80.png": "a hat"}
    left = dataset_file.load(Path("meta.json")).left_out
    assert [why.split(";")[0].split(":")[0] for why in left.values()] == [
        "the captioner answered nothing", "the captioner refused",
    ]  # fmt: skip
    assert "left out: the captioner refused: " in prep("why", "200.png", "--in", "raw").out
    texts(c0="all dark", c200="all red")
    assert prep("edit", "raw", "--text", "caption").code == 0
    assert trained()["0.png"] == "all dark"
    assert len(trained()) == 4


def test_what_does_not_train_leaves_nothing_out(home: Path, prep: Prep, shy: Server) -> None:
    """Case A4: where tags train, a captioner that refused a picture takes it from nobody."""
    plain_pictures(0, 80)
    prep("caption", "raw", "--url", shy.url, "--model", "cat")
    texts(t0="dark", t80="red")

    assert prep("edit", "raw").code == 0
    assert trained() == {"0.png": "dark", "80.png": "red"}
    assert prep("edit", "raw", "--text", "both").code == 3
    assert trained() == {"80.png": "red, a hat"}


@pytest.mark.parametrize(
    ("act", "code", "why"),
    [
        (Act(400, b"busy"), 3, "the server answers 400: busy; "),
        (
            Act(401, {"error": {"message": "bad key"}}), 1,
            "what `prep caption` is asked now was not answered yet: run it again\n",
        ),
    ],
)  # fmt: skip
def test_yesterday_s_model_does_not_speak(
    home: Path, prep: Prep, act: Act, code: int, why: str
) -> None:
    """Settled question 15: where today's captioner fails, its earlier words do not train."""
    plain_pictures(80, 120)
    with serving([says("a hat")]) as server:
        words = ("caption", "raw", "--url", server.url, "--model", "cat")
        assert prep(*words).code == 0
    with serving([act]) as server:
        words = ("caption", "raw", "--url", server.url, "--model", "cat")
        said = prep(*words, "--prompt", "What is it?", "--at-once", 1)
    edited = prep("edit", "raw", "--text", "caption")

    assert (said.code, edited.code, trained()) == (code, 3, {})
    assert f"  failed: 80.png: {why}" in edited.out
    assert "2 pictures: 0 good, 0 left out, 2 failed" in edited.out
    with serving([]) as server:  # the question of yesterday costs nothing
        words = ("caption", "raw", "--url", server.url, "--model", "cat")
        assert (prep(*words).code, server.asked) == (0, [])
    assert prep("edit", "raw", "--text", "caption").code == 0
    assert trained() == {"120.png": "a hat", "80.png": "a hat"}


def test_a_tagger_that_fails_for_a_picture(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settled question 15: the tags of the picture that stood there before do not train."""
    replace_pixels(small)
    score = all_stages()["score"]

    def failing(*_: Any) -> Any:
        raise ValueError("no numbers came")

    broken = all_stages() | {"score": replace(score, run=failing)}
    monkeypatch.setattr(projects, "all_stages", lambda: broken)
    small.run()

    left = dataset_file.load(small.folder / "meta_lat.json").left_out
    assert (small.code, left) == (3, {PICTURE: "ValueError: no numbers came"})
    assert "5 pictures: 4 good, 0 left out, 1 failed" in small.said
    edit_sidecar(small)
    small.run()
    found = dataset_file.load(small.folder / "meta_lat.json")
    assert (found.left_out, found.samples[PICTURE].tags) == ({}, ("mascot", "my own", "words"))


@pytest.mark.parametrize("blank", ["", " \n", ",, ,\n", "\ufeff", "\n\n,"])
def test_a_blank_text_is_told(draw: Draw, prep: Prep, blank: str) -> None:
    """Case A5: an empty or comma-only `.txt` in part of the set is named, and why."""
    for name in "ab":
        draw(f"raw/{name}.png")
    (Path("raw") / "a.txt").write_text("girl")
    (Path("raw") / "b.txt").write_text(blank, encoding="utf-8")
    said = prep("edit", "raw")
    led = prep("edit", "raw", "--trigger", "zzk")

    why = "b.png (its tags of yours hold no word)"
    assert (said.code, led.code) == (3, 0)
    assert f"  1 of 2 pictures has no text: {why}\n" in said.out
    assert f"  1 of 2 pictures trains on the trigger alone: {why}\n" in led.out
    assert prep("edit", "raw", "--skip-empty").code == 0
    assert trained() == {"a.png": "girl"}


@pytest.mark.parametrize(
    ("tag", "torn"),
    [
        ("1girl\u3001solo\uff0csmile", True), ("a ||| b", True), ("a|b", True), ("a; b", True),
        ("1girl solo long_hair", True), ("smile\uff1bhat", True), ("hat (red) | b", True),
        ("|_|", False), ("||_||", False), ("steins;gate", False), (";)", False), (";d", False),
        ("<|>_<|>", False), ("re:zero", False), ("long hair", False), ("my style_v2", False),
        ("^_^", False), ("a girl in the rain", False), ("{red|blue} hat", False),
        ("{a|b} | c", True),
 ("\u9577\u3044\u9aea", False),
    ],
)  # fmt: skip
def test_separators_of_other_programs(tag: str, torn: bool) -> None:
    """Case A6: a tag that is several to another program is known; emoticons and names are not."""
    assert unsplit(tag) is torn


def test_separators_are_told(draw: Draw, prep: Prep) -> None:
    """Case A6: in a line of `edit`, and by the lint; commas are never guessed."""
    for name in "ab":
        draw(f"raw/{name}.png")
    texts(ta="1girl\u3001solo\uff0csmile", tb="1girl, hat")
    said = prep("edit", "raw")
    Path("words.csv").write_text("name\n1girl\nhat\n")
    lint = prep("tags", "raw", "--lint", "--vocabulary", "words.csv").out

    told = "a.png (`1girl\u3001solo\uff0csmile`: write commas)"
    assert said.code == 0
    assert f"  1 of 2 pictures has tags that prep does not split: {told}\n" in said.out
    assert "separator: `a.png`: not split: `1girl\u3001solo\uff0csmile`: write commas\n" in lint
    assert trained()["a.png"] == "1girl\u3001solo\uff0csmile"


def test_text_files_that_no_picture_owns(draw: Draw, prep: Prep) -> None:
    """Case A7: each is named with what would help, by every run and by `prep status`."""
    for name in ("01", "02", "03"):
        draw(f"raw/{name}.png")
    (Path("raw") / "captions").mkdir()
    for name in ("02.png.txt", "03.png.txt", "captions/03.txt", "readme.txt"):
        (Path("raw") / name).write_text("hat")
    texts(t01="girl", t02="girl")
    first, again = prep("edit", "raw"), prep("edit", "raw")
    status = prep("status", "--in", "raw").out
    Path("words.csv").write_text("name\ngirl\n")
    lint = prep("tags", "raw", "--lint", "--vocabulary", "words.csv").out

    line = (
        "  4 text files belong to no picture: 02.png.txt (`02.txt` is there already: keep one of "
        "the two), 03.png.txt (rename it to `03.txt`), captions/03.txt (move it beside `03.png`), "
        "readme.txt\n"
    )
    assert (first.code, first.out.count(line), again.out.count(line)) == (3, 1, 1)
    assert "  belongs to no picture: 03.png.txt: rename it to `03.txt`\n" in status
    assert "stray: `readme.txt` belongs to no picture\n" in lint


def test_text_files_of_a_folder_that_is_cut(draw: Draw, prep: Prep) -> None:
    """Case A7: `crop` names those of the folder that it reads."""
    draw("raw/01.png", (96, 64))
    texts(t01="girl", t02="hat")
    said = prep("crop", "raw", "cut")

    assert said.code == 0
    assert "  1 text file belongs to no picture: 02.txt\n" in said.out
    assert "belongs to no picture" not in prep("edit", "cut").out


def test_a_text_in_another_case_is_the_picture_s(draw: Draw, prep: Prep) -> None:
    """Case A7: it is used and kept under its own name; the machine writes none beside it."""
    draw("raw/Photo.png")
    file = Path("raw/PHOTO.TXT")
    file.write_text("my words")

    said = prep("tag", "raw", "--model", "tiny")
    assert (said.code, "  kept as you edited it: PHOTO.TXT\n" in said.out) == (0, True)
    assert "tags: yours, from PHOTO.TXT: my words" in prep("why", "Photo.png", "--in", "raw").out
    assert prep("edit", "raw").code == 0
    assert trained() == {"Photo.png": "my words"}
    assert sorted(path.name for path in Path("raw").glob("*")) == [
        ".prep", "PHOTO.TXT", "Photo.png", "tags.csv",
    ]  # fmt: skip
    assert prep("edit", "raw", "--add", "hat").code == 0
    assert file.read_text() == "my words, hat\n"
    assert not Path("raw/Photo.txt").exists()


def test_words_that_rules_take_away_are_told(draw: Draw, prep: Prep) -> None:
    """Promise 5: each word a person wrote trains, or is named with what took it away."""
    for name in "abcde":
        draw(f"raw/{name}.png")
        texts(**{f"t{name}": "girl, blue eyes, cat"})
    texts(ta="girl, blue eyes, cat, blurry", tb="girl, blue eyes, cat, grin", ca="x")
    Path("tags.rules").write_text("- drop: [blurry]\n- rename: {grin: smile}\n- caption: a hat\n")
    Path("more.csv").write_text("antecedent,consequent\ncat,girl\n")
    said = prep(
        "edit", "raw", "--rules", "tags.rules", "--prune", 1, "--keep", "blue eyes",
        "--implications", "more.csv", "--text", "both",
    )  # fmt: skip

    implied = "`girl`: it follows from another tag: `--implied add` keeps it"
    first = f"`blurry`: a rule takes it away; {implied}; `x`: a rule sets another caption"
    assert said.code == 0
    assert account(dataset_file.load(Path("meta.json"))).unused == {
        first: ["a.png"],
        implied: ["b.png", "c.png", "d.png", "e.png"],
    }
    line = f"  5 of 5 pictures have words of yours that do not train: a.png ({first}), b.png ("
    assert line in said.out
    prep("edit", "raw", "--prune", 1)
    pruned = "`blue eyes`: left to the trigger: `--keep` keeps it"
    assert account(dataset_file.load(Path("meta.json"))).unused == {
        f"its caption is not used: `--text both`; {pruned}": ["a.png"],
        pruned: ["b.png", "c.png", "d.png", "e.png"],
    }


def test_words_of_the_dataset_file_count_too(draw: Draw, prep: Prep) -> None:
    """Promise 5: a caption that a person wrote there and that does not train is named."""
    draw("raw/a.png")
    texts(ta="girl")
    prep("edit", "raw")
    assert prep("edit", "meta.json", "--caption", "a girl").code == 0
    said, again = prep("edit", "raw"), prep("edit", "raw")

    told = "a.png (its caption is not used: `--text both`)"
    line = f"  1 of 1 picture has words of yours that do not train: {told}\n"
    assert line in said.out
    assert line in again.out
    assert "nothing to do" in again.out
    assert account(dataset_file.load(Path("meta.json"))).unused


def test_repeats_are_taken_from_1_to_1000(draw: Draw, prep: Prep) -> None:
    """Case D1: a date or a year is part of the name; what is taken and what is not is said."""
    for name in ("20231105_beach", "100_FUJI", "2024_summer", "0_none", "007_agent", "beach"):
        draw(f"raw/{name}/a.png")
        (Path("raw") / name / "a.txt").write_text("sand")
    said = prep("edit", "raw", "--repeats", 2)
    bucket = prep("bucket", "meta.json", "--resolution", 64, "--step", 32)

    found = dataset_file.load(Path("meta.json")).concepts
    assert {name: one.repeats for name, one in found.items()} == {
        "": 2, "0_none": 2, "2024_summer": 2, "20231105_beach": 2, "FUJI": 100, "agent": 7,
        "beach": 2,
    }  # fmt: skip
    for out in (said.out, bucket.out):
        assert (
            "  repeats are taken from the names of folders: `007_agent` 7, `100_FUJI` 100\n" in out
        )
        assert (
            "  no repeats are taken from `0_none`, `20231105_beach`, `2024_summer`: the number is "
            "part of the name, repeats are 1 to 1,000\n"
        ) in out


@pytest.mark.parametrize("blank", ["", " ", "\u3000", "\u200b"])
def test_a_folder_whose_name_names_no_concept(draw: Draw, prep: Prep, blank: str) -> None:
    """Case D1: a number with nothing behind it is a badly named folder, never a blank concept."""
    folders = [f"12_{blank}", *([blank] if blank else [])]
    for name in folders:
        draw(f"raw/{name}/a.png")
        (Path("raw") / name / "a.txt").write_text("sand")
    said = prep("edit", "raw")

    found, shown = dataset_file.load(Path("meta.json")), blank.replace("\u200b", "\\u200b")
    assert {name: one.repeats for name, one in found.concepts.items()} == {"": 1, "12_": 1}
    assert {one.concept for one in found.samples.values()} == {"12_", *(["", ""][: bool(blank)])}
    assert (
        f"  no repeats are taken from `12_{shown}`: no concept is named behind the number; "
        "call the folder `10_name`\n"
    ) in said.out
    assert (f"  no concept is taken from `{shown}`: " in said.out) is bool(blank)


def test_the_counts_add_up_with_clashes(draw: Draw, prep: Prep) -> None:
    """Case F12: pictures that clash are counted, once, and not as good."""
    for name in ("a.png", "a.jpg", "b.png"):
        draw(f"raw/{name}")
    (Path("raw") / "c.png").write_bytes(b"junk")
    said = prep("tag", "raw", "--model", "tiny")

    assert said.code == 3
    assert said.out.splitlines()[-1] == ("  4 pictures: 1 good, 0 left out, 1 failed, 2 clash")


def test_why_tells_of_the_picture_itself_always(home: Path, prep: Prep) -> None:
    """Case F12: what a run says once, such as frames that are not used, `prep why` says again."""
    from PIL import Image

    Path("raw").mkdir()
    frames = [Image.new("RGB", (64, 64), (n, n, n)) for n in (0, 200)]
    frames[0].save("raw/a.gif", save_all=True, append_images=frames[1:])
    prep("edit", "raw")
    note = "  has more than one frame: the first is used\n"

    assert note not in prep("edit", "raw").out.replace("a.gif: ", "")
    assert note in prep("why", "a.gif", "--in", "raw").out
    assert note in prep("why", "a.gif", "--in", "raw").out


def test_the_trigger_is_no_word_that_lacks(draw: Draw, prep: Prep) -> None:
    """Case A1: a picture without words is not said to have tags where it has the trigger alone."""
    for name in "ab":
        draw(f"raw/{name}.png")
    texts(ca="a girl")
    said = prep("edit", "raw", "--text", "caption", "--trigger", "zzk")

    assert "  1 of 2 pictures trains on the trigger alone: b.png\n" in said.out


def test_a_dataset_file_of_before_still_loads() -> None:
    """Files without the new fields are read as ever, and files without news are written as ever."""
    plain = Dataset(".", {"a.png": Sample("d", (1, 1), ("x",))})
    told = replace(plain.samples["a.png"], yours=("tags",), unused={"rules": ("y",)})
    news = replace(plain, samples={"a.png": told})

    assert b"yours" not in dataset_file.dump(plain)
    assert b"unused" not in dataset_file.dump(plain)
    assert dataset_file.parse(dataset_file.dump(plain).decode(), "m.json") == plain
    assert dataset_file.parse(dataset_file.dump(news).decode(), "m.json") == news


WORDS = st.sampled_from(["girl", "hat", "red", "zzk", "a b"])
SAMPLES = st.builds(
    Sample,
    digest=st.just("d"),
    original_size=st.just((1, 1)),
    tags=st.lists(WORDS, unique=True).map(tuple),
    caption=st.sampled_from(["", "a girl", "zzk runs", "zzk"]),
    text=st.sampled_from(["tags", "caption", "both"]),
    yours=st.sampled_from([(), ("tags",), ("caption",), ("tags", "caption")]),
    unused=st.dictionaries(st.sampled_from(["rules", "prune"]), st.just(("gone",)), max_size=1),
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    samples=st.dictionaries(st.sampled_from(["1", "2", "3", "4"]), SAMPLES),
    trigger=st.sampled_from(["", "zzk", "zzk, red hat"]),
)
def test_every_word_of_a_person_trains_or_is_named(
    samples: dict[str, Sample], trigger: str
) -> None:
    """Promise 5: whatever was written and asked for, no word of a person is passed over."""
    samples = {
        key: replace(one, tags=tuple(dict.fromkeys((*parsed(trigger), *one.tags))))
        for key, one in samples.items()
    }
    found = account(Dataset(".", samples, concepts={"": Concept(trigger=trigger)}))
    for key, one in samples.items():
        text, told = one.training_text(trigger), " ".join(found.of(key))
        assert not trigger or text.casefold().startswith(", ".join(parsed(trigger)))
        assert (
            "caption" not in one.yours
            or not one.caption
            or one.caption in text
            or "its caption" in told
        )
        assert "tags" not in one.yours or all(tag in text or "its tags" in told for tag in one.tags)
        assert not one.unused or "`gone`" in told
        assert bool(text) or "no text" in told
    twice = joined([("", found), ("2/", found)])
    assert twice.total == 2 * found.total
    assert len(list(twice.listed())) == 2 * len(list(found.listed()))
    assert Account(**found.facts()) == found
