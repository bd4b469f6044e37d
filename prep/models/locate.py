"""A model's name -> the folder that holds it, and its digest.

A name is `tiny` (the small models that ship with tinyworld), a folder or file on this machine, or
a hub id `owner/name`. Hub models live in the Hugging Face cache; the revision and the digests
that were met first are pinned in the user's data folder and checked from then on.

Knows no kind of model: what files one needs is said by who asks.
"""

import importlib.resources
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from prep.models.safety import check
from prep.runtime import files
from prep.runtime.errors import ModelFileError

_RACY_NS = 2_000_000_000  # the coarsest clock of a file system in use (FAT)


class AbsentModelError(ModelFileError):
    """A hub model that is not on this machine."""


@dataclass(frozen=True)
class Ask:
    """What a stage needs of a model.

    Attributes:
        kind: tagger, captioner or base: the name of the folder under `tinyworld/models`.
        name: As the person wrote it: `tiny`, a path or a hub id.
        patterns: The files that make up the model, as shell patterns relative to its folder.
        revision: Hub revision, or None for the pinned or newest one.
        needs: Those of the patterns without which the model is of no use.
        ckpt: Whether a single `.ckpt` file will do; see `weights.check`.
        facts: What else decides the model's results, as text; it enters the digest.
        remote: It runs on a server: `facts` are all that is known of it, no file is looked for.
        beside: What a folder of one's own holds besides, to be the same model; empty for nothing.
    """

    kind: str
    name: str
    patterns: tuple[str, ...] = ("*",)
    revision: str | None = None
    needs: tuple[str, ...] = ()
    ckpt: bool = False
    facts: str = ""
    remote: bool = False
    beside: str = ""


@dataclass(frozen=True)
class FoundModel:
    """A model on this disk.

    Attributes:
        path: Its folder, or the single file that was named.
        files: The files that decide its results, sorted, with (size, mtime_ns) as first seen.
        key: For its server, where it is remote.
    """

    ask: Ask
    path: Path
    files: tuple[tuple[Path, int, int], ...]
    key: str = field(default="", repr=False)

    def size_bytes(self) -> int:
        """Return how much there is to read."""
        return sum(size for _, size, _ in self.files)

    def unchanged(self) -> bool:
        """Return whether no file was replaced since the model was found."""
        return all(_stamp(path) == (size, mtime) for path, size, mtime in self.files)


@dataclass
class Models:
    """The models of one user: where pins and digests of files already read are kept.

    Attributes:
        home: The user's data folder for this program.
        offline: Never ask the hub.
        hub_cache: Where hub models lie; None for the place that the hub's own client uses.
        key: What a server of models is shown; never written down.
    """

    home: Path
    offline: bool = False
    hub_cache: Path | None = None
    key: str = field(default="", repr=False)
    _digests: dict[str, str] = field(default_factory=dict)

    def find(self, ask: Ask) -> FoundModel:
        """Return the model that `ask` names, downloading it once where that is possible.

        Raises:
            ModelFileError: It is not there, cannot be fetched, is damaged, or is a pickle.
        """
        if ask.remote:
            return FoundModel(ask, Path(), (), self.key)
        path = self._place(ask)
        if path.is_file():
            chosen = [path]
        else:
            chosen = sorted(
                file
                for file in path.rglob("*")
                if file.is_file() and _wanted(file.relative_to(path).as_posix(), ask.patterns)
            )
        if not chosen:
            raise ModelFileError(
                f"`{ask.name}` is not a {ask.kind}: it has none of "
                f"{', '.join(ask.needs or ask.patterns)}",
                f"name a {ask.kind}'s folder, a hub id, or `tiny`",
            )
        if lacking := _lacking(path, ask):
            raise ModelFileError(
                f"the {ask.kind} `{ask.name}` is not complete: it lacks {', '.join(lacking)}",
                f"put the missing files into `{path}`",
            )
        for file in chosen:
            check(file, ask.ckpt and file == path)
        return FoundModel(ask, path, tuple((file, *_stamp(file)) for file in chosen))

    def at_hand(self, ask: Ask) -> FoundModel | None:
        """Return the model as it lies on this machine; None where it has to be downloaded."""
        try:
            return replace(self, offline=True).find(ask)
        except AbsentModelError:
            if self.offline:
                raise
            return None

    def digest(self, found: FoundModel) -> str:
        """Return the SHA-256 over the names and digests of the model's files, and its facts.

        Raises:
            ModelFileError: The files differ from those that were pinned for this hub revision.
        """
        top = found.path if found.path.is_dir() else found.path.parent
        each = {
            path.relative_to(top).as_posix(): self.file_digest(path) for path, _, _ in found.files
        }
        self._check_pins(found, each)
        whole = each | ({"": found.ask.facts} if found.ask.facts else {})
        return files.digest_bytes(files.canonical(whole).encode())

    def known(self, found: FoundModel) -> bool:
        """Return whether `digest` would read no large file."""
        return all(
            size < 64 << 20 or self._cache_key(path) in self._cached()
            for path, size, _ in found.files
        )

    def _place(self, ask: Ask) -> Path:
        if ask.name == "tiny":
            with importlib.resources.as_file(importlib.resources.files("tinyworld")) as top:
                return top / "models" / ask.kind
        path = Path(ask.name).expanduser()
        if path.exists():
            return path
        if ask.name.count("/") != 1 or ask.name.startswith((".", "/", "~")) or "\\" in ask.name:
            what = "base model" if ask.kind == "base" else ask.kind
            raise ModelFileError(
                f"there is no {what} at `{ask.name}`",
                "name a folder, a hub id `owner/name`, or `tiny`",
            )
        return self._from_hub(ask)

    def _from_hub(self, ask: Ask) -> Path:
        from huggingface_hub import snapshot_download

        fetch = partial(
            snapshot_download,
            ask.name,
            revision=ask.revision or self._pins().get(_pin(ask), {}).get("revision"),
            allow_patterns=list(ask.patterns),
            cache_dir=self.hub_cache,
        )
        # The hub's client has no common class for its errors: not cached, offline, gated,
        # misspelt. All end in the same advice.
        with suppress(Exception):
            cached = Path(fetch(local_files_only=True))
            if not _lacking(cached, ask):
                return cached
        if self.offline:
            raise _absent(ask)
        try:
            return Path(fetch())
        except Exception as error:
            raise _absent(ask) from error

    def _check_pins(self, found: FoundModel, each: dict[str, str]) -> None:
        ask = found.ask
        if ask.name == "tiny" or Path(ask.name).expanduser().exists():
            return
        pins = self._pins()
        pinned = pins.setdefault(_pin(ask), {"revision": found.path.name, "files": {}})
        for name, digest in each.items():
            expected = pinned["files"].get(name, digest)
            if expected != digest:
                raise ModelFileError(
                    f"`{name}` of {ask.name} is not the file that was pinned: expected "
                    f"{expected[:12]}, found {digest[:12]}",
                    f"delete it and fetch it again, or remove {ask.name} from "
                    f"`{self.home / 'pins.json'}` to accept the new one",
                )
        if not each.keys() <= pinned["files"].keys():
            pinned["files"].update(each)
            text = json.dumps(pins, indent=1, sort_keys=True)
            files.write(self.home / "pins.json", text.encode())

    def _pins(self) -> dict[str, Any]:
        return _read_json(self.home / "pins.json")

    def _cached(self) -> dict[str, str]:
        if not self._digests:
            self._digests.update(_read_json(self.home / "digests.json"))
        return self._digests

    def _cache_key(self, path: Path) -> str:
        stat = path.stat()
        return (
            f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}|{stat.st_ino}"
        )

    def file_digest(self, path: Path) -> str:
        """Return the SHA-256 of one file, from memory where the file is unchanged."""
        key = self._cache_key(path)
        known = self._cached()
        if key in known:
            return known[key]
        began = time.time_ns()
        found = files.digest(path)
        stat = path.stat()
        # A file written this very moment could change again without a trace in its times.
        settled = max(stat.st_mtime_ns, stat.st_ctime_ns) < began - _RACY_NS
        if settled and key == self._cache_key(path):
            known[key] = found
            text = json.dumps(known, indent=0, sort_keys=True)
            files.write(self.home / "digests.json", text.encode())
        return found


def _lacking(path: Path, ask: Ask) -> list[str]:
    """Return the patterns of `ask.needs` that no file of a model's folder answers to."""
    if path.is_file():
        return []
    names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    return [need for need in ask.needs if not any(fnmatch(name, need) for name in names)]


def _absent(ask: Ask) -> AbsentModelError:
    beside = f", with {ask.beside}," if ask.beside else ""
    return AbsentModelError(
        f"the {ask.kind} `{ask.name}` is not on this machine and cannot be downloaded",
        f"fetch {', '.join(ask.needs or ask.patterns)} from https://huggingface.co/{ask.name} into "
        f"a folder{beside} and give the folder's path as the model, or use `tiny` to try things "
        "out",
    )


def _pin(ask: Ask) -> str:
    """Return the name a model is pinned under: a revision that was asked for has its own pin."""
    return f"{ask.name}@{ask.revision}" if ask.revision else ask.name


def _wanted(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns) and not name.startswith(".")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1)
    return (stat.st_size, stat.st_mtime_ns)


def _read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object that is only a convenience: damage means to begin anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def user_home(environment: "os._Environ[str]") -> Path:
    """Return the folder for this user's pins and digests, by the environment the CLI passes."""
    chosen = environment.get("XDG_DATA_HOME") or environment.get("LOCALAPPDATA")
    return Path(chosen or Path.home() / ".local" / "share") / "prep-and-train"
