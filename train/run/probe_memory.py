"""What was asked of a base model before is not asked again, while the libraries are the same."""

import json
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from prep.runtime import files
from prep.runtime.errors import UserError
from train.run import probe

_LIBRARIES = ("torch", "diffusers", "transformers", "tokenizers")
_MOST_MARKS = 100


def looked_through(
    question: probe.Question, base: str, known: Path, ask: probe.Ask
) -> probe.Answer:
    """Ask what only torch can tell, unless these libraries have opened this very model before.

    Args:
        base: Digest of the base model.
        known: Where that is noted.
    """
    libraries = [(one, version(one)) for one in _LIBRARIES]
    mark = files.digest_bytes(files.canonical([base, asdict(question), libraries]).encode())
    marks = _marks(known)
    if mark in marks:
        return probe.Answer()
    answer = ask(question)
    if not answer.wrong:
        with suppress(UserError):  # a convenience: without it the same is asked again
            files.write(known, files.canonical([*marks[-_MOST_MARKS:], mark]).encode())
    return answer


def _marks(path: Path) -> list[str]:
    """Return what was looked through before; damage means to begin anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
