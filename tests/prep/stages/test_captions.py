"""`prep caption` with a server: what is asked, kept, told, and never written down."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tagger_models.model_server import Act, Asked, Server, says, serving

ROOT = Path(__file__).resolve().parents[3]
KEY = "sk-secret-0123456789"
Prep = Callable[..., Any]
Draw = Callable[..., Path]
HINT = "ask otherwise (`--prompt`), the same again (`prep reset`), or write it yourself"


def colour(asked: Asked) -> int:
    """Return the number of the picture that a server sees, by its colour."""
    pixel: Any = asked.image().convert("RGB").getpixel((2, 2))
    return round(pixel[0] / 40)


@pytest.fixture
def raw(home: Path) -> Path:
    """Return a folder with six pictures, each of one colour."""
    from PIL import Image

    (home / "raw").mkdir()
    for number in range(6):
        Image.new("RGB", (64, 64), (40 * number, 0, 0)).save(home / f"raw/{number}.png")
    return home / "raw"


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server that says of each picture what colour it has."""
    with serving(lambda _n, asked: says(f"A red of {colour(asked)}.")) as found:
        yield found


def words(server: Server, *more: object) -> tuple[object, ...]:
    """Return the words of the command line."""
    return ("caption", "raw", "--url", server.url, "--model", "cat-vl", *more)


def captions(raw: Path) -> dict[str, str]:
    return {path.stem: path.read_text().strip() for path in sorted(raw.glob("*.caption"))}


def told_why(said: Any) -> list[str]:
    """Return the lines of a report on what is wrong."""
    lines = [line.strip() for line in said.out.splitlines()]
    return [line for line in lines if line.startswith(("failed:", "hint:"))]


def test_each_picture_is_asked_once(raw: Path, prep: Prep, server: Server) -> None:
    """One request a picture, as many at a time as asked; a second run asks nothing."""
    said = prep(*words(server, "--at-once", 3))

    assert said.code == 0
    assert len(server.asked) == 6
    assert server.most <= 3
    assert captions(raw) == {str(n): f"A red of {n}." for n in range(6)}
    again = prep(*words(server, "--at-once", 3))
    assert (again.code, len(server.asked)) == (0, 6)
    assert "`raw` is up to date: nothing to do" in again.out


def test_requests_in_hand(raw: Path, prep: Prep) -> None:
    """A slow server has as many pictures in hand as asked, never one more."""
    with serving([Act(body=says("A cat.").body, slow_s=0.3)]) as server:
        assert prep(*words(server, "--at-once", 2)).code == 0

    assert (len(server.asked), server.most) == (6, 2)


def test_a_refusal_is_no_caption(raw: Path, prep: Prep) -> None:
    """Row 25: pictures that are refused or get no words fail with two lines, and are left alone.

    With another prompt they are asked again.
    """

    def plan(_: int, asked: Asked) -> Act:
        if "please" in asked.prompt():
            return says("A cat.")
        odd = {0: "I'm sorry, but I can't help with that.", 1: ""}
        return says(odd.get(colour(asked), "A cat."))

    with serving(plan) as server:
        first, second = prep(*words(server)), prep(*words(server))
        count = len(server.asked)
        third = prep(*words(server, "--prompt", "Say it, please."))

    lines = [
        "failed: 0.png: the captioner refused: `I'm sorry, but I can't help with that.`",
        f"hint: {HINT}",
        "failed: 1.png: the captioner answered nothing",
        f"hint: {HINT}",
    ]
    assert (first.code, second.code, third.code) == (3, 3, 0)
    assert told_why(first) == told_why(second) == lines
    assert count == 6
    assert len(server.asked) == 12
    assert set(captions(raw)) == {"0", "1", "2", "3", "4", "5"}


def test_a_refusal_is_asked_again_alone(raw: Path, prep: Prep) -> None:
    """After `prep reset KEY` the next run asks for that picture, and for no other."""
    shy = [True]

    def plan(_: int, asked: Asked) -> Act:
        return says("" if shy[0] and colour(asked) < 2 else "A cat.")

    with serving(plan) as server:
        assert prep(*words(server)).code == 3
        shy[0] = False
        said = prep("reset", "1.png", "--in", "raw")
        later = prep(*words(server))

    assert (said.code, said.out) == (
        0,
        "`1.png`: the next run tries again: caption\n",
    )
    assert len(server.asked) == 7
    assert told_why(later) == [
        "failed: 0.png: the captioner answered nothing",
        f"hint: {HINT}",
    ]
    assert set(captions(raw)) == {"1", "2", "3", "4", "5"}


def test_why_tells_a_refusal_on_one_line(raw: Path, prep: Prep) -> None:
    """`prep why` says of a picture that it was refused, and what it was told."""
    with serving([says("As an AI, I see nothing.")]) as server:
        prep(*words(server))

    told = prep("why", "3.png", "--in", "raw", "-v").out
    assert f"failed: the captioner refused: `As an AI, I see nothing.`; {HINT}" in told
    assert 'the machine says {"end":"done","text":"As an AI, I see nothing."}' in told


def test_trouble_is_asked_again_by_the_next_run(raw: Path, prep: Prep) -> None:
    """A picture whose request failed has no caption; the next run asks for it alone."""
    bad = [True]

    def plan(_: int, asked: Asked) -> Act:
        return Act(400, b"busy") if bad[0] and colour(asked) == 2 else says("A cat.")

    with serving(plan) as server:
        first = prep(*words(server))
        bad[0] = False
        second = prep(*words(server))

    assert (first.code, second.code) == (3, 0)
    hint = "does the model take pictures? a smaller `--image-size` may do; the next run asks again"
    assert told_why(first) == [
        "failed: 2.png: the server answers 400: busy",
        f"hint: {hint}",
    ]
    assert len(server.asked) == 7
    assert set(captions(raw)) == {"0", "1", "2", "3", "4", "5"}


def test_an_answer_that_no_file_may_hold_is_cleaned(raw: Path, prep: Prep) -> None:
    """Control characters and half characters of an answer end no run and reach no file."""
    with serving([says("A c\x00at\x1b[31m\nsits \ud800\u65e5\u672c.")]) as server:
        assert prep(*words(server)).code == 0
        again = prep(*words(server))

    assert captions(raw) == dict.fromkeys("012345", "A cat[31m sits \u65e5\u672c.")
    assert "`raw` is up to date: nothing to do" in again.out


def test_a_failure_of_today_is_told_not_that_of_an_older_answer(raw: Path, prep: Prep) -> None:
    """A picture that was refused and then gets no answer at all: the latter is the reason."""
    with serving([says("I'm sorry, I can't help with that.")]) as server:
        assert prep(*words(server)).code == 3
    with serving(
        lambda _n, asked: Act(400, b"busy") if colour(asked) == 2 else says("A cat.")
    ) as server:
        said = prep(*words(server, "--prompt", "What is it?"))

    assert told_why(said)[0] == "failed: 2.png: the server answers 400: busy"
    assert len(told_why(said)) == 2


def test_a_wrong_key_ends_the_run(raw: Path, prep: Prep) -> None:
    """What every picture would meet is told once, as two lines; nothing is written."""
    with serving([Act(401, {"error": {"message": "bad key"}})]) as server:
        said = prep(*words(server, "--at-once", 1))

    assert said.code == 1
    assert said.err == (
        f"error: the server at `{server.url}` wants a key: bad key\n"
        "hint: put the key into the environment variable PREP_API_KEY\n"
    )
    assert len(server.asked) == 1
    assert captions(raw) == {}


def test_the_key_is_written_nowhere(
    raw: Path, prep: Prep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes from the environment to the server: into no file, no output, no recipe."""
    monkeypatch.setenv("PREP_API_KEY", KEY)
    with serving(lambda _n, asked: says(f"A {asked.headers['Authorization']}.")) as server:
        said = [prep(*words(server, "-v")), prep(*words(server, "--json", "--seed", 1))]
    said.append(prep("why", "1.png", "--in", "raw"))

    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    assert all(KEY not in each.out + each.err for each in said)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 12
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert captions(raw)["0"] == "A Bearer [key]."


def test_a_server_that_moves_costs_nothing(raw: Path, prep: Prep, server: Server) -> None:
    """The address, the number at a time and the patience are speed; the model's name is not."""
    prep(*words(server))
    with serving([says("A dog.")]) as other:
        moved = prep(*words(other, "--at-once", 1, "--timeout-s", 9))
        assert (moved.code, len(other.asked)) == (0, 0)
        assert f"caption: url: {server.url} -> {other.url}" in moved.out
        renamed = prep("caption", "raw", "--url", other.url, "--model", "dog-vl")

    assert (renamed.code, len(other.asked)) == (0, 6)
    assert set(captions(raw).values()) == {"A dog."}


def test_what_is_made_of_an_answer_costs_no_request(raw: Path, prep: Prep, server: Server) -> None:
    """Another beginning is put before the words that were said already."""
    prep(*words(server))

    assert prep(*words(server, "--start", "sks,")).code == 0
    assert len(server.asked) == 6
    assert captions(raw)["3"] == "sks, A red of 3."


def test_only_what_a_prompt_asks_for_is_read(raw: Path, prep: Prep, server: Server) -> None:
    """A new name costs a request where the prompt has the name, and nothing where it has not."""
    named = words(server, "--prompt", "What is {name} of {folder}?")
    prep(*named)
    assert {asked.prompt() for asked in server.asked} == {f"What is {n} of ?" for n in range(6)}

    (raw / "hero").mkdir()
    (raw / "1.png").rename(raw / "hero/new.png")
    (raw / "1.caption").unlink()
    prep(*named)
    assert [asked.prompt() for asked in server.asked[6:]] == ["What is new of hero?"]

    plain = words(server, "--prompt", "What is it?")
    prep(*plain)
    (raw / "2.png").rename(raw / "3b.png")
    (raw / "2.caption").unlink()
    prep(*plain)
    assert len(server.asked) == 13


def test_tags_in_a_prompt(raw: Path, prep: Prep, server: Server) -> None:
    """A picture whose prompt asks for tags waits for them; edited tags ask for it alone again."""
    tagged = words(server, "--preset", "tags")
    for number in range(5):
        (raw / f"{number}.txt").write_text(f"tag {number}, solo")

    first = prep(*tagged)

    assert first.code == 3
    assert told_why(first) == [
        "failed: 5.png: its prompt asks for its tags, and it has none yet",
        "hint: tag it first: `prep tag`; in pipelines.yaml, `tag` stands before `caption`",
    ]
    assert len(server.asked) == 5
    (raw / "5.txt").write_text("late")
    (raw / "2.txt").write_text("other")
    assert prep(*tagged).code == 0
    new = sorted(asked.prompt() for asked in server.asked[5:])
    assert [prompt.split(": ")[1].split(". ")[0] for prompt in new] == ["late", "other"]


def test_your_captions_are_yours(raw: Path, prep: Prep, server: Server) -> None:
    """A picture with a caption of yours is not asked for, unless the prompt asks for the caption.

    Yours stays either way; `prep why` shows what the machine made of it.
    """
    (raw / "4.caption").write_text("My cat.\n")
    prep(*words(server))
    assert len(server.asked) == 5

    prep(*words(server, "--prompt", "Say it better: {caption}"))

    prompts = sorted(asked.prompt() for asked in server.asked[5:])
    assert prompts == ["Say it better:"] * 5 + ["Say it better: My cat."]
    assert (raw / "4.caption").read_text() == "My cat.\n"
    assert 'says {"end":"done","text":"A red of 4."}' in prep(
        "why", "4.png", "--in", "raw"
    ).out  # fmt: skip


def test_why_of_a_caption_that_is_yours(raw: Path, prep: Prep, server: Server) -> None:
    """A file that you rewrote after the run is no stale one: nothing would be done to it."""
    prep(*words(server))
    (raw / "1.caption").write_bytes(b"Mine.\r\n")
    prep(*words(server))

    told = prep("why", "1.png", "--in", "raw").out.splitlines()

    assert "  caption: yours, from 1.caption: Mine." in told
    assert "  caption: up to date, the machine says A drawing." in told


def test_a_refusal_to_say_yours_better_fails_nothing(raw: Path, prep: Prep) -> None:
    """A picture that has a caption of yours is good, whatever the machine answers."""
    (raw / "4.caption").write_text("My cat.\n")

    def plan(_: int, asked: Asked) -> Act:
        return says("I'm sorry, I cannot." if "My cat." in asked.prompt() else "A cat.")

    with serving(plan) as server:
        said = prep(*words(server, "--prompt", "Say it better: {caption}"))

    assert (said.code, len(server.asked)) == (0, 6)
    assert "6 pictures: 6 good, 0 left out, 0 failed" in said.out
    assert captions(raw)["4"] == "My cat."


def test_drawn_words_are_seeded_by_the_picture(raw: Path, prep: Prep, server: Server) -> None:
    """Seeds differ from picture to picture, not from run to run or with the name of the file."""
    drawn = words(server, "--temperature", 0.6, "--seed", 3)
    prep(*drawn)
    first = {colour(asked): asked.body["seed"] for asked in server.asked}
    assert len(set(first.values())) == 6

    for path in [*raw.glob("*.caption"), *raw.glob(".prep/ledger*"), raw / ".prep/journal.jsonl"]:
        path.unlink()
    (raw / "0.png").rename(raw / "zero.png")
    prep(*drawn)
    assert {colour(asked): asked.body["seed"] for asked in server.asked[6:]} == first


@pytest.mark.parametrize(
    ("more", "error", "hint"),
    [
        (
            ("--url", "localhost:1234", "--model", "m"),
            "`localhost:1234` is not the address of a server",
            "write it like `http://localhost:1234/v1`",
        ),
        (
            ("--url", "http://localhost:1/v1"),
            "the model of the server at `http://localhost:1/v1` is not named",
            "add `--model` with the name that the server has for it",
        ),
        (
            ("--prompt", "{tag}"),
            "no variable of a prompt is named `tag`",
            "did you mean `tags`?",
        ),
        (
            ("--prompt", "x", "--preset", "style"),
            "`prompt` and `preset` both say what is asked",
            "leave one of the two out",
        ),
        (
            ("--model", "~nobody-of-that-name/blip"),
            "`~nobody-of-that-name/blip` is not a path: there is no user of that name",
            "check the spelling",
        ),
        (
            ("--model", "a" * 300),
            f"`{'a' * 300}` is not a path: {os.strerror(errno.ENAMETOOLONG)}",
            "check the spelling",
        ),
        (
            ("--preset", "long"),
            "option `--preset` is `long`",
            "known: character, detailed, sentence, style, tags",
        ),
        (
            ("--model", "tiny", "--preset", "style"),
            "a `blip` model cannot be asked what preset `style` asks",
            "leave the preset out; `--prompt` gives it words to continue",
        ),
    ],
)
def test_mistakes_of_the_command_line(
    raw: Path, prep: Prep, more: tuple[str, ...], error: str, hint: str
) -> None:
    """What cannot be is told as two lines before anything is asked."""
    said = prep("caption", "raw", *more)

    assert (said.code, said.err) == (1, f"error: {error}\nhint: {hint}\n")
    assert captions(raw) == {}


def test_a_killed_run_loses_only_what_was_in_hand(raw: Path, home: Path, prep: Prep) -> None:
    """Killed while the server works, what had been answered a moment before is not asked again."""
    from PIL import Image

    for number in range(10):
        Image.new("RGB", (64, 64), (0, 20 * number, 90)).save(raw / f"more {number}.png")
    stuck: list[bool] = [True]

    def plan(number: int, _: Asked) -> Act:
        return (
            Act(body=says("Late.").body, slow_s=20) if stuck[0] and number > 13 else says("A cat")
        )

    with serving(plan) as server:
        command = [
            sys.executable, "-m", "prep", *map(str, words(server, "--at-once", 2, "-q")),
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        child = subprocess.Popen(command, cwd=home, env=environment)
        while len(server.asked) < 16 and child.poll() is None:
            time.sleep(0.05)
        # The next picture is sent only when the answer before it is on the disk.
        child.send_signal(signal.SIGKILL)
        child.wait()
        stuck[0] = False
        again = prep(*words(server, "--at-once", 2))
        count = len(server.asked)

    assert again.code == 0
    assert count == 16 + 2
    assert set(captions(raw).values()) == {"A cat"}
    assert len(captions(raw)) == 16
