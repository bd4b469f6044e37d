"""What decides a result, and why a result is not up to date. Pure: no file is opened here."""

from collections.abc import Mapping
from dataclasses import Field, fields
from enum import StrEnum
from typing import Any, NamedTuple

from prep.runtime.files import canonical, digest_bytes
from prep.runtime.yaml_nodes import as_yaml
from prep.stage import Stage

ABSENT = "-"  # stands for an optional input that is not there
_UNREAD = f" {ABSENT}"
WAITS = "?"  # stands for an input that an earlier stage has yet to make


class Why(StrEnum):
    """Why a sample is run."""

    NEW = "new"
    GONE = "its result is gone or damaged"
    VERSION = "this version of prep makes it anew"
    PARAMS = "a param changed"
    MODEL = "the model changed"
    INPUTS = "its input changed"
    PERSON = "what you wrote there changed"
    SET = "other pictures changed"
    AGAIN = "it failed before"


class Made(NamedTuple):
    """The ledger's row of one result.

    Attributes:
        base: Number of the recipe's common part in the ledger.
        inputs: Digests of what was read, in the order of the stage's reads; empty for a failure
            that may be gone next time.
        digest: SHA-256 of the result's bytes; empty where there is none.
        state: made, nothing (there is no such value), rejected or failed.
        why: The reason of a rejection or failure.
    """

    base: int
    inputs: str
    digest: str
    state: str = "made"
    why: str = ""


def base_text(stage: Stage, params: Any, models: tuple[str, ...], images: int) -> str:
    """Return the part of a recipe that all samples share, as canonical JSON.

    Args:
        stage: The stage that runs.
        params: Its Params; those marked as speed are left out, and those that came later where
            they say what held before them; of a file's text the digest counts.
        models: Digest of each model, in the order the stage asks for them.
        images: Version of the rules that turn a file into pixels; 0 where no pixels are read.
    """
    values = {
        item.name: param_value(item, params)
        for item in fields(params)
        if not (item.metadata["speed"] or (models and item.metadata["model"]))
        and not is_as_before(item, params)
    }
    recipe = {"stage": stage.name, "version": stage.version, "params": values, "models": models}
    return canonical(recipe | ({"images": images} if images else {}))


def is_as_before(item: "Field[Any]", params: Any) -> bool:
    """Return whether a param came later than the results of its stage, and changes none of them."""
    return bool(item.metadata["later"]) and getattr(params, item.name) == item.default


def param_value(item: "Field[Any]", params: Any) -> Any:
    """Return what stands for a param in recipes: its value, or the digest of a file's text."""
    value = getattr(params, item.name)
    return {"sha256": digest_bytes(value.encode())} if item.metadata["file"] else value


def why_stale(
    base: int, inputs: str, made: Made | None, present: bool, bases: Mapping[int, Mapping[str, Any]]
) -> Why | None:
    """Return why a result is not up to date, or None when it is.

    Args:
        base: Number of the wanted recipe's common part.
        inputs: Digests of what would be read.
        made: The ledger's row, or None for a sample never made.
        present: Whether the result's file is on the disk as we wrote it; True where it has none.
        bases: The parsed recipe parts by number.
    """
    if made is None:
        return Why.NEW
    if made.state == "made" and not present:
        return Why.GONE
    if made.state == "failed" and not made.inputs:
        return Why.AGAIN
    if made.base == base:
        return None if same_inputs(made.inputs, inputs) else Why.INPUTS
    old, new = bases.get(made.base, {}), bases[base]
    if old.get("version") != new["version"] or old.get("images") != new.get("images"):
        return Why.VERSION
    return Why.MODEL if old.get("models") != new["models"] else Why.PARAMS


def same_inputs(one: str, other: str) -> bool:
    """Return whether two results read the same.

    What is read last and may be absent, and is, is as if it were not read: a result that was made
    before a stage read it stands.
    """
    return one == other or one.rstrip(_UNREAD) == other.rstrip(_UNREAD)


def changed_params(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return `threshold was 0.35, is now 0.4` for every param that differs between two recipes.

    A model is named where it has other files than before; where one more or one less is named,
    the param says so.
    """
    before, after = old.get("params", {}), new.get("params", {})
    names = sorted(set(before) | set(after))
    changes = [
        f"{name} has another text"
        if isinstance(after.get(name), dict)
        else f"{name} was {_in_words(before.get(name))}, is now {_in_words(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]
    pairs = zip(old.get("models", ()), new.get("models", ()), strict=False)
    return changes + (["the model has other files"] if any(a != b for a, b in pairs) else [])


def _in_words(value: Any) -> str:
    return "not set" if value in (None, "") else as_yaml(value).removesuffix(".0")
