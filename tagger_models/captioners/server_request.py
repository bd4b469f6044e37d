"""One request to a server, bounded in time and size, and how it can come to nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

NEXT_RUN = "the next run asks again"
_CONNECT_S = 10.0
_LARGEST_ANSWER = 4 << 20  # bytes; a caption has some hundred
_SHOWN = 120


@dataclass(frozen=True)
class Server:
    """Where questions go.

    Attributes:
        url: Base address, checked: `address.checked_url`.
        model: As the server names it.
        key: Sent to this server alone, shown and written nowhere; empty for none.
        timeout_s: How long one answer may take.
        first_wait_s: Before a question is asked again; doubled each time.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_s: float = 300.0
    first_wait_s: float = 1.0


class UnansweredError(Exception):
    """One question got no answer that is of use; the next run may get one.

    Attributes:
        hint: What a person can do about it.
    """

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.hint = hint


class LostError(Exception):
    """A request that came to nothing: no connection, or one that broke, is slow or endless."""


class NoServerError(LostError):
    """No connection was made."""


@dataclass(frozen=True)
class ServerReply:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def redacted(text: str, server: Server) -> str:
    """Return what a server said on one line, cut short, with the key left out."""
    plain = " ".join(text.split())
    plain = plain.replace(server.key, "[key]") if server.key else plain
    return plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 3]}..."


def request(server: Server, method: str, path: str, body: bytes = b"") -> ServerReply:
    """Return what a server replies to one request, whatever its status.

    Raises:
        NoServerError: No connection was made.
        LostError: The connection broke.
        UnansweredError: The reply takes too long, or does not end.
    """
    import httpx2

    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if server.key:
        headers["Authorization"] = f"Bearer {server.key}"
    patience = httpx2.Timeout(server.timeout_s, connect=min(_CONNECT_S, server.timeout_s))
    deadline = time.monotonic() + server.timeout_s
    # A proxy is for servers elsewhere: none stands between a program and its own machine.
    near = urlsplit(server.url).hostname in ("localhost", "127.0.0.1", "::1")
    try:
        with (
            httpx2.Client(timeout=patience, trust_env=not near, follow_redirects=False) as client,
            client.stream(method, server.url + path, content=body, headers=headers) as response,
        ):
            whole = bytearray()
            for chunk in response.iter_bytes():
                whole += chunk
                if time.monotonic() > deadline:
                    raise _slow(server)
                if len(whole) > _LARGEST_ANSWER:
                    raise UnansweredError(
                        f"the answer does not end: {_LARGEST_ANSWER >> 20} MiB came",
                        f"look at the server; {NEXT_RUN}",
                    )
            return ServerReply(response.status_code, response.headers, bytes(whole))
    except (
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        httpx2.UnsupportedProtocol,
        httpx2.InvalidURL,
        UnicodeError,  # a name that cannot be looked up
    ) as error:
        raise NoServerError(str(error) or type(error).__name__) from None
    except httpx2.TimeoutException:
        raise _slow(server) from None
    except httpx2.RequestError:
        raise LostError("the connection broke before the answer was whole") from None


def _slow(server: Server) -> UnansweredError:
    # Not asked again in this run: what takes that long once takes that long twice.
    return UnansweredError(
        f"no answer within {server.timeout_s:g} s",
        f"give it longer: a larger `--timeout-s`; {NEXT_RUN}",
    )
