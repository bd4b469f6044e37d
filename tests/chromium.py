"""A headless Chromium, driven over the two pipes of its DevTools protocol.

Source: Chromium, content/browser/devtools/devtools_pipe_handler.cc: messages are JSON, each ended
by a NUL, on descriptors 3 and 4.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38,
         "ArrowRight": 39, "ArrowDown": 40}  # fmt: skip
_TEXTS = {"Enter": "\r", " ": " "}


@dataclass
class Chromium:
    """A running browser with one open page.

    Attributes:
        said: What the console said as a warning or an error, and exceptions that nobody caught.
        asked: Addresses that the page asked for, itself and data within it left out.
        dialogs: The kinds of dialogs that the page opened; each was accepted.
    """

    reader: Any
    writer: Any
    session: str = ""
    number: int = 0
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> Any:
        """Return the answer to a command; what happens meanwhile is noted."""
        number = self._send(method, params)
        while True:
            found = self._next()
            if found.get("id") == number:
                assert "error" not in found, (method, found["error"])
                return found["result"]

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self.number += 1
        told = {"id": self.number, "method": method, "params": params}
        told |= {"sessionId": self.session} if self.session else {}
        self.writer.write(json.dumps(told).encode() + b"\0")
        self.writer.flush()
        return self.number

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Open a page at a width, px, and wait until it is there."""
        self.said.clear()
        self.asked.clear()
        self.dialogs.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.call("Page.navigate", url=page.absolute().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """Return the value of an expression within the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key and let it go."""
        code = _KEYS.get(key, ord(key.upper()[0]))
        text = _TEXTS.get(key, key if len(key) == 1 else "")
        told = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift}
        self.call(
            "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown",
            **told, **({"text": text} if text else {}),
        )  # fmt: skip
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)

    def type(self, text: str) -> None:
        """Put a text in place of what the field in use holds."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key="a", commands=["selectAll"])
        self.call("Input.insertText", text=text)

    def downloads(self, folder: Path) -> None:
        """Let what the page saves be written into a folder."""
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def reached(self) -> set[str]:
        """Return what the Tab key comes to, from the page's beginning until it comes round."""
        self.run("document.activeElement.blur(); scrollTo(0, 0)")
        found: dict[str, None] = {}
        for _ in range(300):
            self.press("Tab")
            here = self.run(f"({_NAMED})(document.activeElement)")
            if here in found:
                break
            found[here] = None
        return set(found) - {"BODY"}

    def usable(self) -> set[str]:
        """Return everything in the page that can be used and is seen."""
        script = (
            "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]"
            ".filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0)"
            f".map({_NAMED})"
        )
        return set(self.run(script))

    def picture(self, path: Path) -> None:
        """Write what is seen as a PNG file."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _next(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self.reader.read(1)) != b"\0":
            assert byte, "the browser has gone"
            data += byte
        found: dict[str, Any] = json.loads(data)
        params = found.get("params", {})
        match found.get("method"):
            case "Runtime.exceptionThrown":
                self.said.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.said.append(str(params["args"]))
            case "Log.entryAdded":
                self.said.append(f"{params['entry']['level']}: {params['entry']['text']}")
            case "Network.requestWillBeSent":
                self._request(params)
            case "Page.javascriptDialogOpening":
                self.dialogs.append(params["type"])
                self._send("Page.handleJavaScriptDialog", {"accept": True})
        return found

    def _request(self, params: dict[str, Any]) -> None:
        url = params["request"]["url"]
        if not url.startswith("data:") and params.get("type") != "Document":
            self.asked.append(url)


# A way to tell one element of a page from all others.
_NAMED = """(one) => {
  const all = [...document.querySelectorAll('*')];
  return one.tagName === 'BODY' ? 'BODY'
    : `${one.tagName} ${one.id || one.ariaLabel || one.textContent} ${all.indexOf(one)}`;
}"""


@contextmanager
def browsing(profile: Path) -> Iterator[Chromium]:
    """Return a browser until the end of the block.

    Args:
        profile: A folder of its own.
    """
    assert PROGRAM is not None
    pairs = [os.pipe(), os.pipe()]
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (pairs[0][0], pairs[1][1])]

    def join_pipes() -> None:
        for number, end in zip((3, 4), theirs, strict=True):
            os.dup2(end, number)

    words = [
        PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
        f"--user-data-dir={profile}", "--no-first-run", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(
        words, preexec_fn=join_pipes, pass_fds=(3, 4),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for end in (pairs[0][0], pairs[1][1], *theirs):
        os.close(end)
    with os.fdopen(pairs[1][0], "rb") as reader, os.fdopen(pairs[0][1], "wb") as writer:
        found = Chromium(reader, writer)
        target = found.call("Target.createTarget", url="about:blank")["targetId"]
        found.session = found.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            found.call(f"{domain}.enable")
        try:
            yield found
        finally:
            found.session = ""
            found.call("Browser.close")
            process.wait(20)
