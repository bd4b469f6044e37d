"""A model's name -> the folder that holds it, and its digest.

A name is `tiny` (the small models that ship with tinyworld), a folder or file on this machine, or
a hub id `owner/name`. Hub models live in the Hugging Face cache; the revision and the digests
that were met first are pinned in the user's data folder and checked from then on.

Knows no kind of model: what files one needs is said by who asks.
"""

import importlib.resources
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from prep.models.other_places import fetch, in_package
from prep.models.safety import check
from prep.models.user_memory import FileDigests, Pins
from prep.runtime import files
from prep.runtime.counts import first_few
from prep.runtime.errors import ModelFileError


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
        package: Python package that holds the file of `needs`, and what installs it, else empty.
        distribution: See `package`.
        url: Address of the only file, and its SHA-256, for a model that is not on the hub.
        sha256: See `url`.
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
    package: str = ""
    distribution: str = ""
    url: str = ""
    sha256: str = ""


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

    def __post_init__(self) -> None:
        """Remember what was read before."""
        self._pins = Pins(self.home)
        self._digests = FileDigests(self.home)

    def find(self, ask: Ask) -> FoundModel:
        """Return the model that `ask` names, downloading it once where that is possible.

        Raises:
            ModelFileError: It is not there, cannot be fetched, is damaged, or is a pickle.
        """
        if ask.remote:
            return FoundModel(ask, Path(), (), self.key)
        path = self._place(ask)
        names = _names(path)
        wanted = [name for name in names if _is_any(name, ask.patterns) and name[0] != "."]
        chosen = [path] if path.is_file() else sorted(path / name for name in wanted)
        if not chosen:
            raise ModelFileError(
                f"`{ask.name}` is not a {ask.kind}: it has none of "
                f"{first_few(ask.needs or ask.patterns)}",
                f"name a {ask.kind}'s folder, {'a single file, ' if ask.ckpt else ''}a hub id, "
                "or `tiny`",
            )
        if path.is_dir() and (lacking := _lacking(names, ask)):
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
        ask = found.ask
        own = bool(ask.package) or Path(ask.name).expanduser().exists()
        if ask.name != "tiny" and not own:
            self._pins.check(_pin(ask), ask.name, found.path.name, each)
        whole = each | ({"": ask.facts} if ask.facts else {})
        return files.digest_bytes(files.canonical(whole).encode())

    def known(self, found: FoundModel) -> bool:
        """Return whether `digest` would read no large file."""
        return all(size < 64 << 20 or self._digests.known(path) for path, size, _ in found.files)

    def file_digest(self, path: Path) -> str:
        """Return the SHA-256 of one file, from memory where the file is unchanged."""
        return self._digests.of(path)

    def _place(self, ask: Ask) -> Path:
        if ask.name == "tiny":
            with importlib.resources.as_file(importlib.resources.files("tinyworld")) as top:
                return top / "models" / ask.kind
        if ask.package:
            return in_package(ask.name, ask.package, ask.needs[0], ask.distribution)
        path = Path(ask.name).expanduser()
        if path.exists():
            return path
        if ask.url:
            return self._from_address(ask)
        if ask.name.count("/") != 1 or ask.name.startswith((".", "/", "~")) or "\\" in ask.name:
            what = "base model" if ask.kind == "base" else ask.kind
            file = "a single file, " if ask.ckpt else ""
            raise ModelFileError(
                f"there is no {what} at `{ask.name}`",
                f"name a folder, {file}a hub id `owner/name`, or `tiny`",
            )
        return self._from_hub(ask)

    def _from_address(self, ask: Ask) -> Path:
        kept = self.home / "files" / ask.sha256[:32] / Path(ask.url).name
        if not kept.exists():
            try:
                if self.offline:
                    raise _absent(ask)
                fetch(ask.url, ask.sha256, kept)
            except OSError as error:
                raise _absent(ask) from error
        return kept

    def _from_hub(self, ask: Ask) -> Path:
        from huggingface_hub import snapshot_download

        fetch = partial(
            snapshot_download,
            ask.name,
            revision=ask.revision or self._pins.revision(_pin(ask)),
            allow_patterns=list(ask.patterns),
            cache_dir=self.hub_cache,
        )
        # The hub's client has no common class for its errors: not cached, offline, gated,
        # misspelt. All end in the same advice.
        with suppress(Exception):
            cached = Path(fetch(local_files_only=True))
            if not _lacking(_names(cached), ask):
                return cached
        if self.offline:
            raise _absent(ask)
        try:
            return Path(fetch())
        except Exception as error:
            raise _absent(ask) from error


def _names(path: Path) -> list[str]:
    """Return the files of a model's folder, relative to it; none for a single file."""
    return [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]


def _lacking(names: Sequence[str], ask: Ask) -> list[str]:
    """Return the patterns of `ask.needs` that no file of a model's folder answers to."""
    return [need for need in ask.needs if not any(fnmatch(name, need) for name in names)]


def _is_any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _absent(ask: Ask) -> AbsentModelError:
    if ask.url:
        return AbsentModelError(
            f"the {ask.kind} `{ask.name}` is not on this machine and cannot be downloaded",
            f"fetch {ask.url} and give the file's path as the model, or use `tiny` to try things "
            "out",
        )
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


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1)
    return (stat.st_size, stat.st_mtime_ns)


def user_home(environment: "os._Environ[str]") -> Path:
    """Return the folder for this user's pins and digests, by the environment the CLI passes."""
    chosen = environment.get("XDG_DATA_HOME") or environment.get("LOCALAPPDATA")
    return Path(chosen or Path.home() / ".local" / "share") / "prep-and-train"
