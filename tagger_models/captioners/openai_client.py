"""One question to an OpenAI-compatible server, asked again where that can help. Knows no picture.

What the server did is told in the person's words: an `UnansweredError` costs one picture, a
UserError ends the run, since every other picture would meet the same. The key is in no message.
"""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from prep.runtime.errors import ConfigError, MachineError, UserError
from tagger_models.captioners.address import KEY_VARIABLE
from tagger_models.captioners.server_request import (
    NEXT_RUN,
    LostError,
    NoServerError,
    Server,
    ServerReply,
    UnansweredError,
    redacted,
    request,
)

_TRIES = 4
_LONGEST_WAIT_S = 120.0  # a server that asks for more is asked again by the next run
_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)


def chat(
    server: Server, payload: Mapping[str, Any], wait: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Return the server's answer to one chat, as JSON with `choices`.

    Args:
        server: Where to ask.
        payload: The body of the request.
        wait: Called with seconds between two tries.

    Raises:
        UnansweredError: This question got no answer; others may.
        UserError: No server is there, or it knows neither the key nor the model.
    """
    body = json.dumps(payload).encode()
    spread = 0.5 + zlib.crc32(body) % 1000 / 1000  # so that requests do not come back together
    last: Exception = UnansweredError("it was not asked", NEXT_RUN)
    for attempt in range(_TRIES):
        pause = server.first_wait_s * 2**attempt * spread
        try:
            reply = request(server, "POST", "/chat/completions", body)
        except NoServerError as error:
            last = MachineError(
                f"no server answers at `{server.url}`: {redacted(str(error), server)}",
                "start it, or give its address with `--url`",
            )
        except LostError as error:
            last = UnansweredError(str(error), NEXT_RUN)
        else:
            found = _read(server, reply)
            if isinstance(found, dict):
                return found
            last = found
            pause = max(pause, _retry_after(reply))
            if reply.status not in (*_AGAIN, 200) or pause > _LONGEST_WAIT_S:
                break
        if attempt < _TRIES - 1:
            wait(pause)
    raise last


def _read(server: Server, reply: ServerReply) -> dict[str, Any] | Exception:
    """Return the answer in a reply, or what it means that there is none."""
    said = redacted(_words(reply.body), server)
    if reply.status == 200:
        found = _json(reply.body)
        if isinstance(found, dict) and isinstance(found.get("choices"), list) and found["choices"]:
            return found
        return UnansweredError(
            f"the answer is not one of a chat: `{said}`",
            f"is `{server.url}` an OpenAI-compatible server? it ends in `/v1` mostly",
        )
    fatal = _fatal(server, reply, said)
    if fatal is not None:
        return fatal
    if reply.status == 429:
        return UnansweredError(
            f"the server wants fewer requests: {said}", f"a smaller `--at-once`; {NEXT_RUN}"
        )
    if reply.status >= 500 or reply.status in _AGAIN:
        return UnansweredError(
            f"the server answers {reply.status}: {said}", f"look at the server; {NEXT_RUN}"
        )
    return UnansweredError(
        f"the server answers {reply.status}: {said}",
        f"does the model take pictures? a smaller `--image-size` may do; {NEXT_RUN}",
    )


def _fatal(server: Server, reply: ServerReply, said: str) -> UserError | None:
    """Return what ends the run: every picture would meet it."""
    if reply.status in (401, 403):
        what = "does not take the key" if server.key else "wants a key"
        return MachineError(
            f"the server at `{server.url}` {what}: {said}",
            f"put the key into the environment variable {KEY_VARIABLE}",
        )
    if reply.status == 404:
        return ConfigError(
            f"the server at `{server.url}` has no model `{server.model}`: {said}", _models(server)
        )
    if 300 <= reply.status < 400:
        there = redacted(reply.headers.get("location", ""), server)
        return ConfigError(
            f"the server at `{server.url}` sends requests elsewhere: {there}",
            "give the address that it means with `--url`",
        )
    return None


def _models(server: Server) -> str:
    """Return a hint with the names of the models that the server says it has."""
    otherwise = "look at `--model`, and at `--url`: it ends in `/v1` mostly"
    try:
        found = _json(request(server, "GET", "/models").body)
    except (LostError, UnansweredError):
        return otherwise
    rows = found.get("data") if isinstance(found, dict) else None
    names = [row["id"] for row in rows or [] if isinstance(row, dict) and "id" in row]
    if not names:
        return otherwise
    return redacted(f"it has: {', '.join(map(str, names))}", server)


def _retry_after(reply: ServerReply) -> float:
    """Return how many seconds the server asks to wait; 0 where it does not say.

    A date counts from the reply's own date, so that no clock need be right (RFC 9110, 10.2.3).
    """
    said = reply.headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(said))
    with suppress(ValueError, TypeError):  # no dates, or only one of them knows its time zone
        until, now = map(parsedate_to_datetime, (said, reply.headers.get("date", "")))
        return max(0.0, (until - now).total_seconds())
    return 0.0


def _words(body: bytes) -> str:
    """Return what the body of a reply says: the message of an error, else its text."""
    found = _json(body)
    error = found.get("error", found.get("message")) if isinstance(found, dict) else None
    told = error.get("message") if isinstance(error, dict) else error
    return str(told) if told else body[:2000].decode("utf-8", "replace")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
