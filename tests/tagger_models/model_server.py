"""A real server of models on this machine, that misbehaves as it is told."""

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Asked:
    """One request that came: its headers, its body, and the picture in it."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any] = field(default_factory=dict)

    def prompt(self) -> str:
        """Return the question."""
        return str(self.body["messages"][0]["content"][1]["text"])

    def image(self) -> Image.Image:
        """Return the picture, as it was sent."""
        url = self.body["messages"][0]["content"][0]["image_url"]["url"]
        data = base64.b64decode(url.removeprefix("data:image/jpeg;base64,"), validate=True)
        return Image.open(io.BytesIO(data))


@dataclass(frozen=True)
class Act:
    """What the server does with one request.

    Attributes:
        status: Of the reply.
        body: Of the reply; a dict is sent as JSON.
        headers: More headers.
        slow_s: Waits so long first.
        cut: Breaks the connection after so many bytes of the body.
        endless: Sends the body again and again.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    slow_s: float = 0.0
    cut: int | None = None
    endless: bool = False


def says(text: Any, reason: str = "stop", **message: Any) -> Act:
    """Return the act of a server that answers as it should."""
    choice = {"message": {"role": "assistant", "content": text} | message, "finish_reason": reason}
    return Act(body={"choices": [choice]})


@dataclass
class Server:
    """What happened at the server.

    Attributes:
        asked: Every request for a chat, in the order in which they came.
        most: How many were in hand at a time, at most.
    """

    url: str
    asked: list[Asked] = field(default_factory=list)
    most: int = 0
    now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


Plan = Callable[[int, Asked], Act]


@contextmanager
def serving(plan: Plan | Sequence[Act], models: Sequence[str] = ()) -> Iterator[Server]:
    """Run a server; `plan` says what it does with the n-th request; the last act repeats."""
    acts = plan

    def act(number: int, asked: Asked) -> Act:
        return acts(number, asked) if callable(acts) else acts[min(number, len(acts) - 1)]

    class Desk(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            rows = [{"id": name} for name in models]
            _send(self, Act(body={"data": rows}) if models else Act(404, b"no list"))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked = Asked(self.path, dict(self.headers), json.loads(self.rfile.read(length)))
            with server.lock:
                number = len(server.asked)
                server.asked.append(asked)
                server.now += 1
                server.most = max(server.most, server.now)
            try:
                _send(self, act(number, asked))
            finally:
                with server.lock:
                    server.now -= 1

        def log_message(self, *_: Any) -> None:
            """Keep the terminal clean."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    http.daemon_threads = True
    server = Server(f"http://127.0.0.1:{http.server_port}/v1")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _send(desk: BaseHTTPRequestHandler, act: Act) -> None:
    time.sleep(act.slow_s)
    data = json.dumps(act.body).encode() if isinstance(act.body, dict) else act.body
    desk.close_connection = True
    with suppress(OSError):  # the other side may have gone, as it should
        desk.send_response(act.status)
        for name, value in act.headers.items():
            desk.send_header(name, value)
        if not act.endless:
            desk.send_header("Content-Length", str(len(data)))
        desk.send_header("Connection", "close")
        desk.end_headers()
        desk.wfile.write(data if act.cut is None else data[: act.cut])
        while act.endless:
            desk.wfile.write(data)
            time.sleep(0.001)
