"""`tagger.yaml` in a folder: a person's own row for the tagger that lies there.

    like: joytag                # facts that are not given are those of this row
    model: model.onnx
    labels: tags.txt
    label_format: lines
    layout: NCHW
    order: RGB
    low: 0                      # input value of black, and of white
    high: 1
    mean: [0.5, 0.5, 0.5]       # R, G, B: subtracted, then divided by std
    std: [0.5, 0.5, 0.5]
    fit: [{pad: white}, {square: bicubic}]
    size: 448                   # px, where the graph leaves it open
    output: prediction          # the output's name, or its place: 0 first, -1 last
    activation: sigmoid
    thresholds: {general: 0.4}

All mistakes are told at once, with their lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from prep.images.fitting import FILTERS, KINDS, PAD, Resize
from prep.runtime.errors import ConfigError, ModelFileError, nearest
from prep.runtime.files import content
from prep.runtime.yaml_nodes import Node, plain, read
from tagger_models.labels.csv_files import NAMES, READERS
from tagger_models.profiles.profile import ACTIVATIONS, BLACK, LAYOUTS, ORDERS, WHITE, Profile
from tagger_models.scores import FLOOR

PROFILE_FILE = "tagger.yaml"
_CATEGORIES = NAMES - {"rating"}  # of ratings, the likeliest is taken
_RANGE = "write the input's values of black (`low`) and of white (`high`)"
_NO_PATTERN = frozenset("\\*?[]")  # a name is looked for as a shell pattern
_COLOURS: Mapping[str, tuple[int, int, int] | None] = {"white": WHITE, "black": BLACK, "edge": None}


class _Wrong(Exception):  # noqa: N818 - it reads as what the value is
    """A value that cannot be; its text is the hint."""


def local_profile(path: Path, rows: Mapping[str, Profile], usual: Profile) -> Profile:
    """Return the row that a `tagger.yaml` describes.

    Args:
        path: The file.
        rows: What `like` may name.
        usual: The row whose facts hold where there is no `like`.

    Raises:
        ConfigError: Mistakes in it.
        ModelFileError: It cannot be read, or is not UTF-8 text.
    """
    try:
        text = content(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ModelFileError(
            f"`{path}` cannot be read as UTF-8 text", "save it as UTF-8, or remove it"
        ) from None
    return parse(text, str(path), rows, usual)


def parse(text: str, name: str, rows: Mapping[str, Profile], usual: Profile) -> Profile:
    """Return the row that the text of a `tagger.yaml` describes; `name` is for messages."""
    given: dict[str, Node] = read(text, name).value
    wrong: list[tuple[str, str | None]] = []
    row = _like(given, name, rows, usual, wrong)
    values = _values(given, name, wrong)
    same = values.get("low", row.low) == values.get("high", row.high)
    if same and not wrong:
        line = max(given[key].line for key in ("low", "high") if key in given)
        wrong.append((f"`{name}` line {line}: black and white are the same number", _RANGE))
    if wrong:
        raise ConfigError(*wrong[0], others=wrong[1:])
    files = (values.pop("model", row.files[0]), values.pop("labels", row.files[1]))
    if values.keys() & {"fit", "low", "high", "mean", "std"}:
        values["input_file"] = ""  # what a person says holds
    if "thresholds" in values:
        values["threshold_file"] = ""
    return replace(row, files=files, **values)


def _like(
    given: Mapping[str, Node],
    name: str,
    rows: Mapping[str, Profile],
    usual: Profile,
    wrong: list[tuple[str, str | None]],
) -> Profile:
    """Return the row to begin with; its files lie in no sub-folder of a person's folder."""
    node = given.get("like")
    if node is not None and node.raw not in rows:
        wrong.append(
            (f"`{name}` line {node.line}: no tagger is named `{node.raw}`", nearest(node.raw, rows))
        )
    row = rows.get(node.raw, usual) if node else usual
    flat = [PurePosixPath(file).name for file in (*row.files, row.input_file, row.threshold_file)]
    return replace(
        row,
        repo="",
        files=(flat[0], flat[1]),
        input_file=flat[2],
        threshold_file=flat[3],
        sources=(f"`{name}`", *row.sources),
    )


def _values(
    given: Mapping[str, Node], name: str, wrong: list[tuple[str, str | None]]
) -> dict[str, Any]:
    """Return the facts that are given beside `like`; what is wrong with others goes to `wrong`."""
    values: dict[str, Any] = {}
    for key, node in given.items():
        if key == "like":
            continue
        if key not in _KEYS:
            hint = nearest(key, ["like", *_KEYS])
            wrong.append((f"`{name}` line {node.line}: no key is named `{key}`", hint))
            continue
        try:
            values[key] = _KEYS[key](node)
        except _Wrong as told:
            shown = f"`{key}` cannot be `{_shown(node)}`"
            wrong.append((f"`{name}` line {node.line}: {shown}", str(told)))
    return values


def _shown(node: Node) -> str:
    text = str(plain(node)) if isinstance(node.value, dict | list) else node.raw
    return text if len(text) <= 40 else f"{text[:39]}..."


def _file(node: Node) -> str:
    odd = node.raw in ("", "..") or not _NO_PATTERN.isdisjoint(node.raw)
    if odd or not isinstance(node.value, str) or node.raw != PurePosixPath(node.raw).name:
        raise _Wrong("name a file of this folder")
    return node.raw


def _one_of(known: tuple[str, ...]) -> Callable[[Node], str]:
    def check(node: Node) -> str:
        if node.raw not in known:
            raise _Wrong(f"write {' or '.join(known)}")
        return node.raw

    return check


def _number(node: Node) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise _Wrong("write a number")
    return float(node.value)


def _three(least: float | None) -> Callable[[Node], tuple[float, float, float]]:
    def check(node: Node) -> tuple[float, float, float]:
        values = [_number(one) for one in node.value] if isinstance(node.value, list) else []
        if len(values) != 3 or (least is not None and min(values) <= least):
            raise _Wrong("write three numbers, for red, green and blue: [0.5, 0.5, 0.5]")
        return values[0], values[1], values[2]

    return check


def _size(node: Node) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 1:
        raise _Wrong("write the picture's side in px, 1 or more")
    return node.value


def _output(node: Node) -> str | int:
    if isinstance(node.value, bool) or not isinstance(node.value, int | str):
        raise _Wrong("write the output's name, or its place: 0 the first, -1 the last")
    return node.value


def _thresholds(node: Node) -> Mapping[str, float]:
    pairs = node.value if isinstance(node.value, dict) else {}
    found = {key: _number(one) for key, one in pairs.items()}
    wrong = found.keys() - _CATEGORIES or not all(FLOOR <= one <= 1 for one in found.values())
    if wrong or not found:
        known = ", ".join(sorted(_CATEGORIES))
        raise _Wrong(f"write a number from {FLOOR} to 1 for some of: {known}")
    return MappingProxyType(found)


def _fit(node: Node) -> tuple[Resize, ...]:
    steps = node.value if isinstance(node.value, list) else []
    found = [_step(step) for step in steps]
    if not found:
        raise _Wrong("write steps, such as [{pad: white}, {square: bicubic}]")
    return tuple(found)


def _step(node: Node) -> Resize:
    pairs = list(node.value.items()) if isinstance(node.value, dict) else []
    if len(pairs) != 1 or pairs[0][0] not in KINDS:
        raise _Wrong(f"each step is one of {', '.join(KINDS)}, as {{pad: white}}")
    kind, value = pairs[0]
    if kind == PAD:
        return Resize(PAD, colour=_colour(value))
    if value.raw.upper() not in FILTERS:
        raise _Wrong(f"`{kind}` takes a filter: {', '.join(FILTERS).lower()}")
    return Resize(kind, value.raw.upper())


def _colour(node: Node) -> tuple[int, int, int] | None:
    if isinstance(node.value, list):
        levels = [plain(one) for one in node.value]
        if len(levels) == 3 and all(type(one) is int and 0 <= one <= 255 for one in levels):
            return levels[0], levels[1], levels[2]
    elif node.raw in _COLOURS:
        return _COLOURS[node.raw]
    raise _Wrong("`pad` takes white, black, edge, or three levels: [255, 255, 255]")


_KEYS: Mapping[str, Callable[[Node], Any]] = {
    "model": _file,
    "labels": _file,
    "label_format": _one_of(tuple(READERS)),
    "layout": _one_of(LAYOUTS),
    "order": _one_of(ORDERS),
    "low": _number,
    "high": _number,
    "mean": _three(None),
    "std": _three(0.0),
    "fit": _fit,
    "size": _size,
    "output": _output,
    "activation": _one_of(ACTIVATIONS),
    "thresholds": _thresholds,
}
