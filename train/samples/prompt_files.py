"""Files of prompts: a line each, or a list in `.json` or `.toml`, as kohya's scripts take them.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py, `load_prompts`.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from prep.runtime.errors import ConfigError, DatasetError
from prep.runtime.files import content
from train.samples.prompts import Prompt, parse, with_flags

# Their keys -> the flags of a line.
_KEYS: Mapping[str, str] = {
    "negative_prompt": "n",
    "width": "w",
    "height": "h",
    "seed": "d",
    "sample_steps": "s",
    "scale": "l",
    "sample_sampler": "ss",
    "guidance_scale": "g",
    "controlnet_image": "cn",
    "cfg_trunc_ratio": "ctr",
    "renorm_cfg": "rcfg",
    "flow_shift": "fs",
}


def read(path: Path, usual: Prompt) -> list[Prompt]:
    """Return the prompts of a file; in a `.txt`, `#` begins a comment line.

    Args:
        usual: What a prompt does not say.

    Raises:
        ConfigError: The file is missing, empty, or has mistakes: all of them at once.
    """
    found: list[Prompt] = []
    wrong: list[tuple[str, str | None]] = []
    for place, said in _entries(path):
        try:
            found.append(parse(said, usual) if isinstance(said, str) else _of_keys(said, usual))
        except ConfigError as error:
            wrong.append((f"`{path}` {place}: {error}", error.hint))
    if wrong:
        (message, hint), *others = wrong
        raise ConfigError(message, hint, others)
    if not found:
        raise ConfigError(f"`{path}` holds no prompt", "write one prompt a line")
    return found


def _entries(path: Path) -> Iterator[tuple[str, str | Mapping[str, Any]]]:
    """Yield each prompt of a file: where it stands, and its line or its keys."""
    text, kind = _text(path), path.suffix.lower()
    if kind not in (".json", ".toml"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield f"line {number}", line
        return
    try:
        rows = json.loads(text) if kind == ".json" else _of_toml(tomllib.loads(text))
        each = [dict(row) for row in rows]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        shape = "a list of objects" if kind == ".json" else "`[prompt]` and `[[prompt.subset]]`"
        raise ConfigError(
            f"the prompts in `{path}` cannot be read: {error}", f"write {shape}, or a line each"
        ) from None
    yield from ((f"prompt {number}", row) for number, row in enumerate(each, 1))


def _text(path: Path) -> str:
    if not path.is_file():
        what = "is not a file" if path.exists() else "is not there"
        raise ConfigError(
            f"the file of prompts `{path}` {what}", "name a text file with one prompt a line"
        )
    try:
        return content(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, DatasetError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the prompts in `{path}` cannot be read: {why}", "write one prompt a line, as UTF-8"
        ) from None


def _of_toml(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the prompts of a TOML file: what all have, and each subset's own."""
    shared = {key: value for key, value in found["prompt"].items() if key != "subset"}
    return [shared | subset for subset in found["prompt"]["subset"]]


def _of_keys(said: Mapping[str, Any], usual: Prompt) -> Prompt:
    """Return the prompt that keys describe.

    Raises:
        ConfigError: A key is not known or not taken, or its value is out of its limits.
    """
    given: dict[str, str] = {}
    for key, value in said.items():
        if key not in _KEYS and key != "prompt":
            raise ConfigError(f"`{key}` is not known", f"known: prompt, {', '.join(_KEYS)}")
        if value is not None and key != "prompt":
            given[_KEYS[key]] = str(value)
    text = str(said.get("prompt", usual.text)).strip()
    return with_flags(replace(usual, text=text), given)
