"""JSON -> dataclasses, checked whole: types, limits and choices as the classes declare them.

A class says what its fields hold by their types, and by what `limits` adds. Values are taken as
they are or refused, never mended: a list becomes a tuple and `1` the float 1.0, no more.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from sys import intern
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from prep.runtime import keys
from prep.runtime.errors import nearest
from prep.runtime.misfit import Misfit, at, excerpt, short

_DEPTH = 20  # no file of ours nests deeper
_HEX = re.compile(r"[0-9a-f]{1,128}")
_Check = Callable[[Any], Any]
_Made = TypeVar("_Made")


def limits(
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    form: Literal["", "hex", "path", "folder", "lines", "box", "keys"] = "",
) -> dict[str, Any]:
    """Return the metadata of a dataclass field that says what may stand there.

    Args:
        least: The smallest number.
        above: Numbers are larger than this.
        most: The largest number; both hold for each number of a tuple.
        choices: The words it may be.
        form: Of text, `hex` digits, a `path` that stays in its folder, a `folder` anywhere, or
            `lines`, which may stand there as a list; of four numbers, a `box`: left, top, right,
            bottom, the first two smaller; of a mapping, one whose names are `keys` of samples.
    """
    return {"least": least, "above": above, "most": most, "choices": choices, "form": form}


def read(kind: type[_Made], row: Any) -> _Made:
    """Return an instance of a dataclass from what JSON holds.

    Raises:
        Misfit: The first field that cannot be what it is, in the order of `row`; then what lacks.
    """
    if not isinstance(row, dict):
        raise Misfit(f"is {excerpt(row)}", "write fields with values: {...}")
    plain_kind: type = kind  # for mypy, a type of a type variable may have no hash
    checks, needed = _checks(plain_kind)
    made: dict[str, Any] = {}
    for name, value in row.items():
        check = checks.get(name)
        if check is None:
            hint = nearest(name, checks, otherwise="remove it")
            raise at(name, Misfit(f"has an unknown field `{short(name)}`", hint, "owner"))
        try:
            made[name] = check(value)
        except Misfit as misfit:
            raise at(name, misfit) from None
    for name in needed:
        if name not in made:
            raise at(name, Misfit(f"has no `{name}`", "write it as prep wrote it", "owner"))
    return kind(**made)


def _text(value: Any) -> str:
    """Return a text that a UTF-8 file can hold."""
    if not isinstance(value, str):
        raise Misfit(f"is {excerpt(value)}", "write text")
    if not keys.is_text(value):
        raise Misfit("holds half a character", "write whole characters")
    return value


def _plain(value: Any, depth: int = _DEPTH) -> Any:
    """Return JSON as it is: numbers are finite, text is whole, nothing is nested too deep."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise Misfit(f"holds {value}", "write a finite number")
    if isinstance(value, dict | list) and depth == 0:
        raise Misfit(f"is nested more than {_DEPTH} deep", "write it as prep wrote it")
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    for one in inner if isinstance(inner, list) else ():
        _plain(one, depth - 1)
    return value


@cache
def _checks(kind: type) -> tuple[dict[str, _Check], tuple[str, ...]]:
    """Return a class's fields with what checks each, and the names of those it cannot lack."""
    hints = get_type_hints(kind)
    each = fields(kind)
    needed = tuple(
        one.name for one in each if one.default is MISSING and one.default_factory is MISSING
    )
    told = {one.name: limits() | dict(one.metadata) | {"name": one.name} for one in each}
    return {name: _check(hints[name], told[name]) for name in told}, needed


def _check(hint: Any, told: Mapping[str, Any]) -> _Check:
    """Return what checks a value of a type."""
    args = get_args(hint)
    if isinstance(hint, UnionType):
        inner = _check(next(arg for arg in args if arg is not type(None)), told)
        return lambda value: None if value is None else inner(value)
    if get_origin(hint) is tuple:
        return _list_of(_check(args[0], told)) if args[-1] is ... else _numbers(len(args), told)
    if is_dataclass(hint) and isinstance(hint, type):
        return lambda value: read(hint, value)
    if hint is str:
        return _text_of(told)
    if hint is bool:
        return _truth
    if hint in (int, float):
        return _number(hint, told)
    return _mapping(args[1], told)


def _mapping(hint: Any, told: Mapping[str, Any]) -> _Check:
    """Return what checks a mapping, whose names are text or keys of samples."""
    name_of = _key if told["form"] == "keys" else _text
    inner = _plain if hint is Any else _check(hint, limits())

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Misfit(f"is {excerpt(value)}", "write names with values: {...}")
        made = {}
        for name in list(value):
            try:
                word = name_of(name)
                made[word] = inner(value.pop(name))  # of many samples, both would be much memory
            except Misfit as misfit:
                raise at(name, misfit) from None
        return made

    return check


def _text_of(told: Mapping[str, Any]) -> _Check:
    choices = told["choices"]
    if choices:
        return lambda value: _choice(value, told["name"], choices)
    forms: dict[str, _Check] = {"": _text, "hex": _hex, "path": _path, "folder": _folder}
    form: str = told["form"]
    return _lines if form == "lines" else forms[form]


def _choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in choices:
        return value
    said = f"`{short(value)}`" if isinstance(value, str) else excerpt(value)
    raise Misfit(f"has {name} {said}", f"known: {', '.join(choices)}", "owner")


def _lines(value: Any) -> str:
    """Return text, or the texts of a list with a line each."""
    if not isinstance(value, list):
        return _text(value)
    each = [_text(one) for one in value]
    if not each or not all(one.strip() and "\n" not in one for one in each):
        raise Misfit("has an entry without words, or of several lines", 'write ["one", "two"]')
    return "\n".join(each)


def _hex(value: Any) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise Misfit(f"is {excerpt(value)}", "a digest is written in hexadecimal: 0 to 9, a to f")
    return value


def _path(value: Any) -> str:
    return _inside(_text(value), keys.fault_of_path)


def _key(value: Any) -> str:
    return _inside(_text(value), keys.fault_of_key)


def _inside(path: str, fault_of: Callable[[str], str]) -> str:
    fault, hint = fault_of(path), "write it as prep wrote it"
    if keys.leads_out(path):
        fault = "leads out of the dataset"
        hint = "paths of samples stay inside the folder they are relative to"
    if fault:
        raise Misfit(f"the path `{short(path)}` {fault}", hint, "none")
    return path


def _folder(value: Any) -> str:
    found = _text(value)
    if not found or "\0" in found:
        raise Misfit(f"is {excerpt(found)}", "write the path of a folder")
    return found


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Misfit(f"is {excerpt(value)}", "write true or false")
    return value


def _number(kind: type[int] | type[float], told: Mapping[str, Any]) -> _Check:
    least, above, most = told["least"], told["above"], told["most"]
    word = "a number" if kind is float else "a whole number"
    low = f", {least:g} or more" if least is not None else ""
    low = f" above {above:g}" if above is not None else low
    kinds = (int, float) if kind is float else (int,)

    def check(value: Any) -> Any:
        right = isinstance(value, kinds) and not isinstance(value, bool)
        right = right and (isinstance(value, int) or math.isfinite(value))
        if right and most is not None and value > most:
            raise Misfit(f"is {excerpt(value)}", f"write {word}, {most:.10g} or less")
        below = right and (
            (least is not None and value < least) or (above is not None and value <= above)
        )
        if not right or below:
            raise Misfit(f"is {excerpt(value)}", f"write {word}{low}")
        return kind(value)

    return check


def _list_of(inner: _Check) -> _Check:
    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Misfit("is not a list", 'write ["one", "two"]')
        return tuple(intern(inner(one)) for one in value)  # many samples have the same words

    return check


def _numbers(count: int, told: Mapping[str, Any]) -> _Check:
    each = _number(int, told)
    words = {2: "[width, height] in px", 4: "[left, top, right, bottom] in px"}

    def check(value: Any) -> tuple[int, ...]:
        found: tuple[int, ...] = ()
        if isinstance(value, list) and len(value) == count:
            found = tuple(map(each, value))
            if told["form"] != "box" or (found[0] < found[2] and found[1] < found[3]):
                return found
        raise Misfit(f"is {excerpt(value)}", f"write {words.get(count, f'{count} numbers')}")

    return check
