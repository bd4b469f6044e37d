"""What a person can ask for: the subcommands that stages declare, and their params. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from prep.dataset.file_names import link_before
from prep.runtime.errors import ConfigError, nearest
from prep.runtime.yaml_nodes import as_yaml
from prep.stage import RequestedStage, Shape, Stage


@dataclass(frozen=True)
class Command:
    """A subcommand: the stages that name it, in the order in which they run."""

    name: str
    stages: tuple[Stage, ...]

    def help(self) -> str:
        """Return what it is for: the first lines of its stages, those of helpers left out."""
        named = [s for s in self.stages if s.name == self.name] or list(self.stages)
        return named[0].help if len(named) == 1 else " ".join(stage.help for stage in named)

    def params(self) -> dict[str, "Field[Any]"]:
        """Return every param of its stages by name, in the order of the stages."""
        return {item.name: item for stage in self.stages for item in fields(stage.params)}

    def fans_out(self) -> bool:
        """Return whether it reads one folder and writes another."""
        return any(stage.shape is Shape.FAN_OUT for stage in self.stages)

    def reads_meta(self) -> bool:
        """Return whether it continues a dataset file."""
        return any(link_before(stage.link) is not None for stage in self.stages)

    def writes_meta(self) -> bool:
        """Return whether it begins a dataset file."""
        return any(stage.link == "" for stage in self.stages)

    def requests(self, values: Mapping[str, Any]) -> tuple[RequestedStage, ...]:
        """Return its stages with params: `values` where given, defaults elsewhere."""
        params = [(stage, build_params(stage, values)) for stage in self.stages]
        return tuple(
            RequestedStage(stage.given(vars(given)), given, self.name)
            for stage, given in params
            if stage.enabled is None or stage.enabled(given)
        )


def all_commands(stages: Iterable[Stage]) -> dict[str, Command]:
    """Return the subcommands that some stages declare, by name."""
    named: dict[str, list[Stage]] = {}
    for stage in stages:
        for name in stage.commands:
            named.setdefault(name, []).append(stage)
    return {name: Command(name, tuple(in_order(found))) for name, found in sorted(named.items())}


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    """Return stages so that each comes after those whose artifacts it reads; views come last."""
    left = sorted(
        stages, key=lambda stage: (stage.shape in (Shape.SIDECAR, Shape.VIEW), stage.name)
    )
    ordered: list[Stage] = []
    while left:
        written = {stage.writes for stage in left if stage.shape in (Shape.MAP, Shape.DECISION)}
        ready = next(
            (s for s in left if not (written - {s.writes}) & {name for name, _ in s.needs()}),
            left[0],
        )
        left.remove(ready)
        ordered.append(ready)
    return ordered


def build_params(stage: Stage, values: Mapping[str, Any]) -> Any:
    """Return a stage's Params from those of the values that it has."""
    names = {item.name for item in fields(stage.params)}
    return stage.params(**{name: value for name, value in values.items() if name in names})


def mistake(item: "Field[Any]", value: Any) -> tuple[str, str] | None:
    """Return why a value cannot be a param's, as message and hint; None where it can."""
    wanted: Any = item.type
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        return f"`{item.name}` is `{as_yaml(value)}`", f"write {words[wanted]}"
    if wanted is float and not math.isfinite(value):
        return f"`{item.name}` is {value}", "write a finite number"
    choices = item.metadata["choices"]
    if choices and value not in choices:
        return f"`{item.name}` is `{value}`", nearest(value, filter(None, choices))
    limits = item.metadata["limits"]
    least, above, most = limits.get("ge"), limits.get("gt"), limits.get("le")
    if least is not None and value < least:
        return f"`{item.name}` is {value}", f"write {least:g} or more"
    if above is not None and value <= above:
        return f"`{item.name}` is {value}", f"write more than {above:g}"
    if most is not None and value > most:
        return f"`{item.name}` is {value}", f"write {most:g} or less"
    return None


def check(command: Command, values: Mapping[str, Any]) -> None:
    """Raise ConfigError, all mistakes at once, where options of a command line are wrong."""
    known = command.params()
    wrong = [found for name, value in values.items() if (found := mistake(known[name], value))]
    if wrong:
        option = [(f"option {_as_option(message)}", hint) for message, hint in wrong]
        raise ConfigError(*option[0], others=option[1:])


def flag(name: str) -> str:
    """Return how an option is typed: `--batch-size` of `batch_size`."""
    return f"--{name.replace('_', '-')}"


def _as_option(message: str) -> str:
    """Return a message that begins with a param's name with the option's name in its place."""
    name = message.split("`")[1]
    return message.replace(name, flag(name), 1)


def unknown_param(command: Command, name: str) -> tuple[str, str]:
    """Return message and hint for a param that a command does not have."""
    known = [*command.params(), *(["to"] if command.fans_out() else [])]
    hint = nearest(name, known) if known else f"it has none at all: write `- {command.name}`"
    return f"`{command.name}` has no param `{name}`", hint
