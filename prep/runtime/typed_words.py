"""What a person typed -> the values of options and arguments.

Typer has pydantic do this, which takes longer to import than all that `prep` does where it has
nothing to do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

_KINDS = {str, int, float, bool, Path}
_NUMBERS = {int: "it is not a whole number", float: "it is not a number"}


def read_without_pydantic() -> None:
    """Let the parameters of Typer's commands be read here, where their types allow it."""
    from typer.core import TyperArgument, TyperOption

    for kind in (TyperArgument, TyperOption):
        kind.get_runtime_param = _reader  # type: ignore[assignment,method-assign]


def _reader(param: Any) -> Any:
    kind = param.type_descriptor.annotation
    if set(get_args(kind) or [kind]) <= _KINDS:
        return _Reader(kind)
    return super(type(param), param).get_runtime_param()


@dataclass(frozen=True)
class _Reader:
    """Reads the words of one parameter, as Typer's RuntimeParam does."""

    kind: Any

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value that stands for what was typed, or for the default.

        Raises:
            BadParameter: It is no number, or one outside the limits.
        """
        kinds = get_args(self.kind)
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if get_origin(self.kind) is list:
            return [_value(kinds[0], one, param, ctx) for one in value]
        if kinds:
            return tuple(_value(*pair, param, ctx) for pair in zip(kinds, value, strict=True))
        return _value(self.kind, value, param, ctx)


def _value(kind: type, value: Any, param: Any, ctx: Any) -> Any:
    from typer import BadParameter

    try:
        found = value if isinstance(value, kind) else kind(value)
    except ValueError:
        raise BadParameter(_NUMBERS[kind], ctx=ctx, param=param) from None
    if kind in _NUMBERS and param.max is not None and not found <= param.max:
        raise BadParameter(f"it is more than {param.max}", ctx=ctx, param=param)
    if kind in _NUMBERS and param.min is not None and not found >= param.min:
        raise BadParameter(f"it is less than {param.min}", ctx=ctx, param=param)
    return found
