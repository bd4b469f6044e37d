"""What was asked of a base model before is not asked again, while the libraries are the same."""

import json
from contextlib import suppress
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prep.models.locate import FoundModel, Models
from prep.runtime import files
from prep.runtime.errors import UserError
from train.run import probe

_LIBRARIES = ("torch", "diffusers", "transformers", "tokenizers", "prep-and-train")
_MOST_ANSWERS = 30
_MOST_TEXTS = 10_000  # whose tokens are kept; of more the model is asked each time


def looked_through(
    question: probe.Question, found: FoundModel | None, models: Models, ask: probe.Ask
) -> probe.Answer:
    """Ask what only torch can tell, unless these libraries have opened this very model before.

    What depends on a GPU or a compiler is asked each time: it may be gone.
    """
    there = (question.device, question.precision, question.attention)
    if "cuda" in there or "fp16" in there or "xformers" in there:
        return ask(question)
    if question.compile or len(question.texts) > _MOST_TEXTS:
        return ask(question)
    # The model's files decide, not where they lie.
    asked = asdict(replace(question, place=models.digest(found) if found else ""))
    libraries = [(one, version(one)) for one in _LIBRARIES]
    told = [item.name for item in fields(probe.Answer)]  # another program may have told less
    mark = files.digest_bytes(files.canonical([asked, libraries, told]).encode())
    known = models.home / "looked-through.json"
    answers = _answers(known)
    with suppress(LookupError, TypeError, ValueError):  # not there, or damaged
        return probe.answered(answers[mark])
    answer = ask(question)
    if not answer.wrong:
        kept = dict([*answers.items()][1 - _MOST_ANSWERS :]) | {mark: asdict(answer)}
        with suppress(UserError):  # a convenience: without it the same is asked again
            files.write(known, json.dumps(kept).encode())
    return answer


def _answers(path: Path) -> dict[str, Any]:
    """Return what was answered before, the oldest first; damage means to begin anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
