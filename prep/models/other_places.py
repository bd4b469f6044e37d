"""Models that are not on the hub: files of installed packages, and files at an address."""

import hashlib
import importlib.util
from pathlib import Path

from prep.runtime import files
from prep.runtime.errors import ModelFileError

_MOST_BYTES = 64 << 20
_PATIENCE_S = 30.0


def in_package(name: str, package: str, file: str, distribution: str) -> Path:
    """Return a file that an installed package brings; the package is not imported.

    Args:
        name: What a person calls the model.
        package: What is imported.
        file: The file, relative to the package.
        distribution: What pip installs.

    Raises:
        ModelFileError: The package is not installed, or has no such file.
    """
    hint = f'install it: `pip install "{distribution}"`'
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        plain = distribution.partition("<")[0]
        raise ModelFileError(
            f"`{name}` is a file of the package {plain}, which is not installed", hint
        )
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise ModelFileError(f"the installed package `{package}` has no `{file}`", hint)
    return path


def fetch(url: str, sha256: str, to: Path) -> None:
    """Download a file whose digest is known.

    Raises:
        OSError: It cannot be had.
        ModelFileError: It is another file than the one that was meant.
    """
    import httpx2

    try:
        with httpx2.stream("GET", url, timeout=_PATIENCE_S, follow_redirects=True) as answer:
            answer.raise_for_status()
            data = b""
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > _MOST_BYTES:
                    break
    except httpx2.HTTPError as error:
        raise OSError(str(error)) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ModelFileError(
            f"{url} is not the file that is meant: expected {sha256[:12]}, found {found[:12]}",
            "fetch the file yourself, and give its path as the model",
        )
    files.write(to, data)
