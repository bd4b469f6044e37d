"""Prompts with places to fill in: `{tags}`, `{name}`, `{folder}`, `{notes}`, `{caption}`. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from prep.runtime.errors import ConfigError, no_such

VARIABLES: Mapping[str, str] = {
    "tags": "its tags, with commas between them",
    "name": "its file's name, without the ending",
    "folder": "its sub-folder; empty for none",
    "notes": "your notes of tags.csv; empty for none",
    "caption": "the caption that you wrote; empty for none",
}
_SAY_ONLY = "Answer with the description only."
PRESETS: Mapping[str, str] = {
    "sentence": f"Describe this image in one sentence. {_SAY_ONLY}",
    "detailed": (
        "Describe this image in one paragraph of at most five sentences: the subject, its "
        f"clothing and pose, the setting, the light and the style. {_SAY_ONLY}"
    ),
    "character": (
        "Describe this image in one sentence: clothing, pose, expression, setting and view. "
        "Say nothing of hair, eyes and body, which are always the same, and give no name. "
        f"{_SAY_ONLY}"
    ),
    "style": (
        "Describe in one sentence what this image shows: subject, pose and setting. Say "
        f"nothing of its style, its medium or its artist. {_SAY_ONLY}"
    ),
    "tags": (
        "A tagger found these in the image, and some may be wrong: {tags}. Describe the image "
        f"in one or two sentences and use what is right of them. {_SAY_ONLY}"
    ),
}
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def variables(template: str) -> tuple[str, ...]:
    """Return the variables that a template has, each once, in the order of its text.

    Raises:
        ConfigError: One is unknown, or a brace belongs to none.
    """
    found: dict[str, None] = {}
    for part in _PART.finditer(template):
        if part[0] in ("{{", "}}"):
            continue
        if part[1] is None:
            raise ConfigError(
                f"the prompt has a `{part[0]}` that belongs to no variable",
                f"write `{part[0] * 2}` for the character itself",
            )
        if part[1] not in VARIABLES:
            raise no_such("variable of a prompt", part[1], VARIABLES)
        found[part[1]] = None
    return tuple(found)


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with each variable's value in its place, on one line.

    Args:
        template: One that `variables` has read.
        values: What is not in it is empty. Braces in a value are nothing but braces.
    """

    def part(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        return " ".join(values.get(match[1], "").split())

    return _PART.sub(part, template).strip()


def chosen(prompt: str, preset: str) -> str:
    """Return the template that a person asks for, by its text or its name; empty for neither.

    Raises:
        ConfigError: Both are given.
    """
    if prompt and preset:
        raise ConfigError(
            "`prompt` and `preset` both say what is asked", "leave one of the two out"
        )
    return prompt or PRESETS.get(preset, "")


def filled_for(template: str, row: Mapping[str, Any]) -> str:
    """Return a template filled in for one picture.

    Args:
        template: One that `variables` has read.
        row: Those of `key`, `tags`, `notes` and `yours.caption` that the template makes use of.
    """
    values = of_key(row.get("key", "")) | {
        "tags": ", ".join(row.get("tags") or ()),
        "notes": row.get("notes") or "",
        "caption": row.get("yours.caption") or "",
    }
    return filled(template, values)


def of_key(key: str) -> dict[str, str]:
    """Return the variables that a sample's key holds: `name` and `folder`.

    A derived picture (`hero/a.png@face.png`) has the name of its source.
    """
    folder, _, name = key.rpartition("/")
    name = name.partition("@")[0] or name
    stem, dot, _ = name.rpartition(".")
    return {"name": stem if dot and stem else name, "folder": folder}
