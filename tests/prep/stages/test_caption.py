from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import ConfigError
from prep.runtime.seeds import seed_for
from prep.stage import Failed, Stage
from prep.stages import all_stages
from tagger_models.captioners.captioner import Decoding, End, Reply, Trouble
from tagger_models.captioners.prompt_templates import PRESETS

CAPTION, TEXT = all_stages()["caption"], all_stages()["caption_text"]
PLAIN = ("image",)


@dataclass
class Echo:
    """A captioner that says what it was asked of which picture, and remembers how."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def caption(
        self, images: Sequence[Any], prompts: Sequence[str], seeds: Sequence[int], how: Decoding
    ) -> list[Reply | Trouble]:
        self.asked.append((tuple(images), tuple(seeds), how))
        return [
            Trouble("it broke", "mend it") if image == "broken" else Reply(f"{image}: {prompt}")
            for image, prompt in zip(images, prompts, strict=True)
        ]


def given(**values: Any) -> tuple[Stage, Any]:
    """Return the stage and its params as a command with these options gets them."""
    command = all_commands(all_stages().values())["caption"]
    asked = next(one for one in command.requests(values) if one.stage.name == "caption")
    return asked.stage, asked.params


@pytest.mark.parametrize(
    ("values", "reads"),
    [
        ({}, PLAIN),
        ({"prompt": "a drawing of"}, PLAIN),
        ({"prompt": "{{tags}}"}, PLAIN),
        ({"preset": "style"}, PLAIN),
        ({"preset": "tags"}, (*PLAIN, "tags?")),
        ({"prompt": "{name} {folder} {notes}"}, (*PLAIN, "key", "notes?")),
        ({"temperature": 0.5, "prompt": "{tags}"}, (*PLAIN, "digest", "tags?")),
        ({"prompt": "{caption}"}, (*PLAIN, "yours.caption?")),
    ],
)
def test_what_is_read_is_what_the_prompt_asks_for(
    values: dict[str, Any], reads: tuple[str, ...]
) -> None:
    """A change of tags, name or notes concerns a caption only where its prompt has them."""
    stage, _ = given(**values)

    assert stage.reads == reads
    assert stage.superseded_by == ("" if "yours.caption?" in reads else "caption")


def test_a_mistake_in_the_prompt_is_told_before_anything_runs() -> None:
    """A prompt that cannot be filled is no command."""
    with pytest.raises(ConfigError, match="no variable of a prompt is named `tagz`"):
        given(prompt="{tagz}")


def test_prompts_are_those_of_their_pictures() -> None:
    """Each picture is asked with its own tags, name and notes, in the order of the pictures."""
    stage, params = given(prompt="{name}: {tags} ({notes})")
    rows = [
        {"image": "A", "key": "x/a.png", "tags": ["red", "hat"], "notes": None},
        {"image": "B", "key": "b.png", "tags": [], "notes": "late"},
    ]

    found = stage.run(rows, params, Echo())

    assert found == [
        {"text": "A: a: red, hat ()", "end": "done"},
        {"text": "B: b:  (late)", "end": "done"},
    ]


def test_how_words_are_chosen() -> None:
    """The captioner is given the params, and pictures with prompts of their own go alone."""
    echo = Echo()
    stage, params = given(beams=2, max_new_tokens=9, forbid="a b, c")
    stage.run([{"image": "A"}, {"image": "B"}], params, echo)
    stage, params = given(temperature=0.5, seed=3)
    rows = [{"image": "A", "digest": "d1"}, {"image": "B", "digest": "d2"}]
    stage.run(rows, params, echo)

    seeds = tuple(seed_for(3, "caption", digest) for digest in ("d1", "d2"))
    assert echo.asked[0][2] == Decoding(2, 9, 0.0, ("a b", "c"), alone=False)
    assert echo.asked[1] == (("A", "B"), seeds, Decoding(3, 75, 0.5, (), alone=True))


def test_a_preset_is_its_question() -> None:
    """The words of a preset are asked, filled in."""
    stage, params = given(preset="tags")

    (found,) = stage.run([{"image": "A", "tags": ["solo"]}], params, Echo())

    assert found["text"] == f"A: {PRESETS['tags'].replace('{tags}', 'solo')}"


def test_one_picture_s_trouble_is_its_own() -> None:
    """A picture that could not be asked fails for now; one without tags waits; others are said."""
    stage, params = given(prompt="{tags}")
    echo = Echo()

    tags = {"A": ["x"], "broken": ["y"], "B": None, "C": ["z"]}
    rows = [{"image": image, "tags": words} for image, words in tags.items()]
    found = stage.run(rows, params, echo)

    assert found == [
        {"text": "A: x", "end": "done"},
        Failed("it broke", "mend it", passing=True),
        Failed(
            "its prompt asks for its tags, and it has none yet",
            "tag it first: `prep tag`; in pipelines.yaml, `tag` stands before `caption`",
            passing=True,
        ),
        {"text": "C: z", "end": "done"},
    ]
    assert echo.asked[0][0] == ("A", "broken", "C")


def test_pictures_without_tags_ask_nobody() -> None:
    """Where no picture can be asked, the captioner is left alone."""
    stage, params = given(prompt="{tags}")
    echo = Echo()

    stage.run([{"image": "A", "tags": None}], params, echo)

    assert echo.asked == []


def test_a_server_is_asked_several_at_once() -> None:
    """Only with an address do pictures go out at once; else the model takes them in batches."""
    assert CAPTION.concurrency is not None
    assert CAPTION.concurrency(given(at_once=7)[1]) == 0
    assert CAPTION.concurrency(given(at_once=7, url="http://a/v1")[1]) == 7


def test_a_caption_is_made_of_an_answer() -> None:
    """The answer is cleaned up as asked; one that is of no use fails for good."""
    params = TEXT.params(start="sks,", forbid="logo")

    def made(text: str, end: End = End.DONE) -> Any:
        return TEXT.run({"text": text, "end": end.value}, params)

    assert made("Sure! A cat. A logo. It sle", End.CUT) == "sks, A cat."
    hint = "ask otherwise (`--prompt`), the same again (`prep reset`), or write it yourself"
    assert made("") == Failed("the captioner answered nothing", hint)
    assert made("No.", End.REFUSED) == Failed("the captioner refused: `No.`", hint)
    assert made("A c\x00at\x1b[0m \ud800on\na mat\x07.") == "sks, A cat[0m on a mat."
    assert made("\x00") == Failed("the captioner answered nothing", hint)
