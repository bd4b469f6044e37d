from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prep.runtime.errors import ConfigError, MachineError
from tagger_models.captioners.captioner import Decoding, End, Reply, Trouble
from tagger_models.captioners.openai import (
    EndpointCaptioner,
    answer_in,
    ask_endpoint,
    open_endpoint,
    request,
    small_jpeg,
)
from tagger_models.captioners.prompt_templates import PRESETS
from tagger_models.captioners.server_request import Server, UnansweredError
from tests.tagger_models.model_server import Act, says, serving

RED = Image.new("RGB", (300, 200), (200, 30, 40))
GREEDY = Decoding(max_new_tokens=50)
KEY = "sk-secret-0123456789"


def captioner(url: str, key: str = "") -> EndpointCaptioner:
    return EndpointCaptioner(Server(url, "cat-vl", key, first_wait_s=0.001), 128)


def said(url: str, prompt: str = "", seed: int = 5, how: Decoding = GREEDY) -> Reply | Trouble:
    return captioner(url).caption([RED], [prompt], [seed], how)[0]


def test_what_a_server_is_sent() -> None:
    """One message with the picture and the question; nothing else that could decide words."""
    with serving([says("a cat")]) as server:
        assert said(server.url, "What is it?") == Reply("a cat")

    (asked,) = server.asked
    image = asked.image()
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 85))
    far = [abs(a - b) for a, b in zip(image.getpixel((60, 40)), (200, 30, 40), strict=True)]  # type: ignore[arg-type]
    assert max(far) <= 2
    content = asked.body["messages"][0].pop("content")
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert content[1]["text"] == "What is it?"
    assert asked.body == {
        "model": "cat-vl",
        "messages": [{"role": "user"}],
        "max_tokens": 50,
        "temperature": 0.0,
        "stream": False,
    }


def test_a_seed_is_sent_where_words_are_drawn() -> None:
    """With a temperature the picture's own seed goes along, in 31 bits that every server takes."""
    with serving([says("a cat")]) as server:
        said(server.url, seed=2**40 + 7, how=Decoding(temperature=0.6))

    body = server.asked[0].body
    assert (body["temperature"], body["seed"], body["top_p"]) == (0.6, 7, 0.9)


def test_a_question_of_its_own_and_forbidden_words() -> None:
    """Without a prompt the usual one is asked; words that are forbidden are told to the server."""
    with serving([says("a cat")]) as server:
        said(server.url, how=Decoding(forbid=("blur", "logo")))

    assert server.asked[0].prompt() == (
        f"{PRESETS['sentence']} Do not use these words: blur, logo."
    )


@pytest.mark.parametrize(
    ("act", "answer"),
    [
        (says(" <think>x</think> A cat. "), Reply(" <think>x</think> A cat. ")),
        (says("A c", "length"), Reply("A c", End.CUT)),
        (says("", "content_filter"), Reply("", End.REFUSED)),
        (says(None, refusal="I will not."), Reply("I will not.", End.REFUSED)),
        (says(None), Reply("")),
        (says([{"type": "text", "text": "a "}, {"text": "cat"}, 3]), Reply("a cat")),
        (says({"text": "a cat"}), Reply("")),
    ],
)
def test_answers_as_servers_give_them(act: Act, answer: Reply) -> None:
    """Text, parts of text, nothing, a refusal, a cut: each is what it is, and asked for once."""
    with serving([act]) as server:
        assert said(server.url) == answer

    assert len(server.asked) == 1


def test_a_caption_never_holds_the_key() -> None:
    """A server that says the key as a caption finds it left out."""
    with serving(lambda _n, seen: says(f"a {seen.headers['Authorization']}")) as server:
        found = captioner(server.url, KEY).caption([RED], [""], [0], GREEDY)

    assert found == [Reply("a Bearer [key]")]


def test_a_picture_without_an_answer_is_told_and_the_next_is_asked() -> None:
    """Trouble with one picture is a value; others get their captions."""
    with serving([Act(400, b"no"), says("a cat")]) as server:
        found = captioner(server.url).caption([RED, RED], ["", ""], [0, 0], GREEDY)

    hint = "does the model take pictures? a smaller `--image-size` may do; the next run asks again"
    assert found == [Trouble("the server answers 400: no", hint), Reply("a cat")]


def test_five_troubles_in_a_row_end_the_run() -> None:
    """A server that fails picture after picture is not asked a thousand times."""
    acts = [Act(400, b"no")] * 4 + [says("a cat")] + [Act(400, b"no")]
    with serving(acts) as server:
        one = captioner(server.url)
        found = one.caption([RED] * 9, [""] * 9, [0] * 9, GREEDY)
        with pytest.raises(MachineError) as told:
            one.caption([RED] * 9, [""] * 9, [0] * 9, GREEDY)

    assert [isinstance(each, Reply) for each in found] == [False] * 4 + [True] + [False] * 4
    assert len(server.asked) == 10
    assert str(told.value) == "5 pictures in a row got no answer: the server answers 400: no"
    assert told.value.hint == (
        "does the model take pictures? a smaller `--image-size` may do; the next run asks again"
    )


@pytest.mark.parametrize(
    ("size", "sent"),
    [((300, 200), (128, 85)), ((128, 4), (128, 4)), ((9, 12), (9, 12)), ((1000, 1), (128, 1))],
)
def test_pictures_are_made_smaller_never_larger(
    size: tuple[int, int], sent: tuple[int, int]
) -> None:
    """The longer side is at most what was asked; the shape stays, of a sliver one px."""
    import io

    image = Image.new("RGB", size)

    assert Image.open(io.BytesIO(small_jpeg(image, 128))).size == sent
    assert image.size == size


def test_the_same_picture_is_sent_as_the_same_bytes() -> None:
    """A request depends on the picture and the question alone."""
    assert request("m", small_jpeg(RED, 64), "?", GREEDY) == request(
        "m", small_jpeg(RED.copy(), 64), "?", GREEDY
    )


def test_what_stands_for_a_server_in_recipes() -> None:
    """The name of its model, and not its address: a server may move without costing a caption."""
    one = ask_endpoint("http://localhost:1234/v1", "cat-vl")

    assert one == ask_endpoint("https://rented.test:8000/v1", "cat-vl")
    assert one != ask_endpoint("http://localhost:1234/v1", "cat-vl-2")
    assert one.remote


@pytest.mark.parametrize("model", ["", "Salesforce/blip-image-captioning-large"])
def test_a_server_s_model_has_to_be_named(model: str) -> None:
    """The default captioner is no model of a server."""
    with pytest.raises(ConfigError) as told:
        ask_endpoint("http://localhost:1234/v1", model)

    assert (str(told.value), told.value.hint) == (
        "the model of the server at `http://localhost:1234/v1` is not named",
        "add `--model` with the name that the server has for it",
    )


def test_opening_asks_nothing() -> None:
    """A captioner is there before its server is."""
    found = open_endpoint("http://localhost:1/v1/", "cat-vl", KEY, 9.0, 512)

    assert found.server == Server("http://localhost:1/v1", "cat-vl", KEY, 9.0)
    assert KEY not in repr(found)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["message", "content", "text", "refusal", "finish_reason"]), inner
        ),
    ),
    max_leaves=12,
)


@given(st.lists(JSON, min_size=1, max_size=2))
@settings(deadline=None)
def test_any_choice_is_an_answer_or_told(choices: list[Any]) -> None:
    """Whatever a server puts into its choices is an answer of text, or is no answer."""
    with suppress(UnansweredError):
        assert isinstance(answer_in({"choices": choices}).text, str)
