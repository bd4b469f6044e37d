"""What is remembered of models in the user's data folder: digests that were read, and pins."""

import json
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from prep.runtime import files
from prep.runtime.errors import ModelFileError

_RACY_NS = 2_000_000_000  # the coarsest clock of a file system in use (FAT)


class FileDigests:
    """The digests of model files that were read before, while they are unchanged."""

    def __init__(self, home: Path) -> None:
        self._file = home / "digests.json"

    def known(self, path: Path) -> bool:
        """Return whether `of` would not read the file."""
        return _stamped(path) in self._digests

    def of(self, path: Path) -> str:
        """Return the SHA-256 of one file, from memory where the file is unchanged."""
        key = _stamped(path)
        if key in self._digests:
            return self._digests[key]
        began = time.time_ns()
        found = files.digest(path)
        stat = path.stat()
        # A file written this very moment could change again without a trace in its times.
        settled = max(stat.st_mtime_ns, stat.st_ctime_ns) < began - _RACY_NS
        if settled and key == _stamped(path):
            self._digests[key] = found
            text = json.dumps(self._digests, indent=0, sort_keys=True)
            files.write(self._file, text.encode())
        return found

    @cached_property
    def _digests(self) -> dict[str, str]:
        return _read_json(self._file)


class Pins:
    """The revisions and digests of hub models that were met first, and are asked for since."""

    def __init__(self, home: Path) -> None:
        self._file = home / "pins.json"

    def revision(self, pin: str) -> str | None:
        """Return the revision that was met first; None where there was none."""
        found: str | None = _read_json(self._file).get(pin, {}).get("revision")
        return found

    def check(self, pin: str, model: str, revision: str, digests: dict[str, str]) -> None:
        """Check a model's files against those that were met first; the first ones are pinned.

        Args:
            pin: What it is pinned under.
            model: Its hub id.
            digests: File -> SHA-256.

        Raises:
            ModelFileError: A file is another one.
        """
        pins = _read_json(self._file)
        pinned = pins.setdefault(pin, {"revision": revision, "files": {}})
        for name, digest in digests.items():
            expected = pinned["files"].get(name, digest)
            if expected != digest:
                raise ModelFileError(
                    f"`{name}` of {model} is not the file that was pinned: expected "
                    f"{expected[:12]}, found {digest[:12]}",
                    f"delete it and fetch it again, or remove {model} from `{self._file}` to "
                    "accept the new one",
                )
        if not digests.keys() <= pinned["files"].keys():
            pinned["files"].update(digests)
            files.write(self._file, json.dumps(pins, indent=1, sort_keys=True).encode())


def _stamped(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}|{stat.st_ino}"


def _read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object that is only a convenience: damage means to begin anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
