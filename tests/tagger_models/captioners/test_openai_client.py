import json
import socket
import threading
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep.runtime.errors import MachineError, UserError
from tagger_models.captioners.openai_client import chat
from tagger_models.captioners.server_request import Server, UnansweredError
from tests.tagger_models.model_server import Act, says, serving

PAYLOAD = {"model": "cat-vl", "messages": []}
KEY = "sk-secret-0123456789"
NEXT = "the next run asks again"
OK = says("a cat")


def asked(server: Any, **more: Any) -> tuple[dict[str, Any], list[float]]:
    """Return the answer to one question, and the seconds waited between tries."""
    waits: list[float] = []
    found = chat(Server(server.url, "cat-vl", first_wait_s=0.25, **more), PAYLOAD, waits.append)
    return found, waits


def unanswered(server: Any, **more: Any) -> tuple[str, str | None, list[float]]:
    """Return the two lines of a question that failed, and the seconds waited between tries."""
    waits: list[float] = []
    with pytest.raises((UnansweredError, UserError)) as told:
        chat(Server(server.url, "cat-vl", first_wait_s=0.25, **more), PAYLOAD, waits.append)
    return str(told.value), told.value.hint, waits


def test_a_question_is_asked_once() -> None:
    """A server that answers is asked once, under its base address, with the payload as JSON."""
    with serving([OK]) as server:
        found, waits = asked(server)

    assert found["choices"][0]["message"]["content"] == "a cat"
    assert waits == []
    (request,) = server.asked
    assert (request.path, request.body) == ("/v1/chat/completions", PAYLOAD)
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    "act",
    [
        Act(429, {"error": {"message": "slow down"}}),
        Act(500, b"oops"),
        Act(503, b"<html>loading</html>"),
        replace(OK, cut=10),
        Act(200, b"<html>a proxy</html>"),
        Act(200, b"{\"choices\": [{\"mess"),
        Act(200, {"choices": []}),
    ],
    ids=["429", "500", "503", "cut", "html", "half", "none"],
)  # fmt: skip
def test_what_may_pass_is_asked_again(act: Act) -> None:
    """After two bad replies the third is taken; waits double and are spread by the question."""
    with serving([act, act, OK]) as server:
        found, waits = asked(server)

    assert found["choices"][0]["message"]["content"] == "a cat"
    assert len(server.asked) == 3
    assert 0.125 <= waits[0] < 0.375
    assert waits[1] == 2 * waits[0]


GARBAGE = "is `{url}` an OpenAI-compatible server? it ends in `/v1` mostly"


@pytest.mark.parametrize(
    ("act", "message", "hint", "tries"),
    [
        (
            Act(500, {"error": {"message": "CUDA\n error"}}),
            "the server answers 500: CUDA error",
            f"look at the server; {NEXT}",
            4,
        ),
        (
            Act(429, {"error": "too many"}),
            "the server wants fewer requests: too many",
            f"a smaller `--at-once`; {NEXT}",
            4,
        ),
        (replace(OK, cut=10), "the connection broke before the answer was whole", NEXT, 4),
        (
            Act(200, b"hello " * 40),
            f"the answer is not one of a chat: `{('hello ' * 40)[:117]}...`",
            GARBAGE,
            4,
        ),
        (Act(200, b"[1]"), "the answer is not one of a chat: `[1]`", GARBAGE, 4),
        (
            Act(400, {"error": {"message": "not a vision model"}}),
            "the server answers 400: not a vision model",
            f"does the model take pictures? a smaller `--image-size` may do; {NEXT}",
            1,
        ),
        (
            Act(413, b""),
            "the server answers 413: ",
            f"does the model take pictures? a smaller `--image-size` may do; {NEXT}",
            1,
        ),
        (
            Act(401, {"error": {"message": "who are you"}}),
            "the server at `{url}` wants a key: who are you",
            "put the key into the environment variable PREP_API_KEY",
            1,
        ),
        (
            Act(307, b"", {"Location": "https://elsewhere.test/v1"}),
            "the server at `{url}` sends requests elsewhere: https://elsewhere.test/v1",
            "give the address that it means with `--url`",
            1,
        ),
        (
            Act(404, {"error": {"message": "no such model"}}),
            "the server at `{url}` has no model `cat-vl`: no such model",
            "look at `--model`, and at `--url`: it ends in `/v1` mostly",
            1,
        ),
    ],
    ids=["500", "429", "cut", "garbage", "list", "400", "413", "401", "307", "404"],
)
def test_what_a_person_is_told(act: Act, message: str, hint: str, tries: int) -> None:
    """Each way of a server to fail has its two lines, after as many requests as can help."""
    with serving([act]) as server:
        told = unanswered(server)

    assert told[:2] == (message.format(url=server.url), hint.format(url=server.url))
    assert len(server.asked) == tries
    assert len(told[2]) == tries - 1


def test_an_unknown_model_is_told_with_those_there_are() -> None:
    """Where the server lists its models, their names are the hint."""
    with serving([Act(404, b"no such model")], models=("cat-vl-2", "dog")) as server:
        told = unanswered(server)

    assert told[1] == "it has: cat-vl-2, dog"


@pytest.mark.parametrize(
    ("after", "waits"),
    [("3", [3.0]), ("0.01", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-5", None)],
)
def test_the_server_says_how_long_to_wait(after: str, waits: list[float] | None) -> None:
    """`Retry-After` is kept to; a shorter one, or a date that has passed, shortens no wait."""
    with serving([Act(429, b"", {"Retry-After": after}), OK]) as server:
        _, found = asked(server)

    assert found == waits or (waits is None and 0.125 <= found[0] < 0.375)


def test_the_server_says_when_to_ask_again() -> None:
    """A date in `Retry-After` counts from the moment of the reply."""
    later = formatdate(time.time() + 30, usegmt=True)
    with serving([Act(429, b"", {"Retry-After": later}), OK]) as server:
        _, found = asked(server)

    assert len(found) == 1
    assert 28 <= found[0] <= 30


def test_a_server_that_asks_for_an_hour_is_left_alone() -> None:
    """A longer wait than two minutes is the next run's: the question is not asked again."""
    with serving([Act(429, b"full", {"Retry-After": "3600"})]) as server:
        told = unanswered(server)

    assert told[0] == "the server wants fewer requests: full"
    assert (len(server.asked), told[2]) == (1, [])


def test_a_slow_server_is_given_up_in_time() -> None:
    """No answer within the time allowed is told once, without asking again."""
    began = time.monotonic()
    with serving([replace(OK, slow_s=3.0)]) as server:
        told = unanswered(server, timeout_s=0.4)
        took = time.monotonic() - began

    assert told[:2] == (
        "no answer within 0.4 s",
        f"give it longer: a larger `--timeout-s`; {NEXT}",
    )
    assert len(server.asked) == 1
    assert took < 2.5


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    """Bytes that keep coming do not lengthen the time allowed for the whole."""
    began = time.monotonic()
    with serving([Act(200, b" ", endless=True)]) as server:
        told = unanswered(server, timeout_s=0.5)
        took = time.monotonic() - began

    assert told[0] == "no answer within 0.5 s"
    assert took < 3
    assert len(server.asked) == 1


def test_an_answer_without_end_is_cut_off() -> None:
    """No more is read than an answer could have, whatever is sent."""
    with serving([Act(200, b"x" * 300_000, endless=True)]) as server:
        told = unanswered(server, timeout_s=60.0)

    assert told[:2] == ("the answer does not end: 4 MiB came", f"look at the server; {NEXT}")
    assert len(server.asked) == 1


def test_no_server_ends_the_run() -> None:
    """Where nobody listens it is told after four tries, with what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    waits: list[float] = []

    with pytest.raises(MachineError) as told:
        chat(Server(url, "cat-vl"), PAYLOAD, waits.append)

    assert str(told.value).startswith(f"no server answers at `{url}`: ")
    assert told.value.hint == "start it, or give its address with `--url`"
    assert len(waits) == 3


def test_the_key_is_sent_and_never_shown() -> None:
    """The key is in the request's header alone: a server that repeats it finds it left out."""
    with serving(lambda _n, seen: Act(500, {"error": seen.headers["Authorization"]})) as server:
        told = unanswered(server, key=KEY)
    with serving(lambda _n, seen: Act(401, json.dumps(seen.headers).encode())) as server:
        refused = unanswered(server, key=KEY)
    with serving(lambda _n, seen: Act(302, b"", {"Location": f"http://x/?{KEY}"})) as elsewhere:
        moved = unanswered(elsewhere, key=KEY)

    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in json.dumps(server.asked[0].body)
    assert told[0] == "the server answers 500: Bearer [key]"
    assert refused[0].startswith(f"the server at `{server.url}` does not take the key: ")
    for message, hint, _ in (told, refused, moved):
        assert KEY not in message
        assert KEY not in str(hint)
    assert KEY not in repr(Server(server.url, "cat-vl", KEY))


def test_a_proxy_stands_before_no_server_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not asked for what runs here."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving([OK]) as server:
        assert asked(server)[1] == []


def test_nothing_is_left_open() -> None:
    """Questions leave no thread and no connection behind."""
    before = threading.active_count()
    with serving([Act(500, b""), OK]) as server:
        asked(server)

    assert threading.active_count() == before


@given(st.binary(max_size=200), st.sampled_from([200, 201, 302, 404, 500]))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_reply_is_an_answer_or_told(body: bytes, status: int) -> None:
    """Whatever bytes come under whatever status, two lines are the worst."""
    with serving([Act(status, body)]) as server:
        message, _, _ = unanswered(server)

    assert message
    assert "\n" not in message


def test_a_name_that_cannot_be_looked_up_is_no_pictures_fault() -> None:
    """What a library says of an address it cannot use is told as a server that is not there."""
    with pytest.raises(MachineError, match=r"no server answers at `http://a\.\.b`"):
        chat(Server("http://a..b", "m"), {}, lambda _: None)
