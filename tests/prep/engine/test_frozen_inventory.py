"""What was read of a dataset stays as it was read; what is written meanwhile has few verbs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PREP = Path(__file__).resolve().parents[3] / "prep"
OWN = PREP / "engine" / "inventory"
HELD = re.compile(r"(^|\.)(inventory|written)(\.|$)")  # an inventory, what is written, or a field
MUTATING = {
    *("pop", "popitem", "add", "update", "discard", "append", "extend", "insert", "remove"),
    *("clear", "setdefault", "drop", "sort", "reverse", "difference_update"),
}


def _changes(source: str) -> set[str]:
    """Return the statements and calls that change something held by an inventory."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    found = set()
    for function in functions or [tree]:
        aliases = {name for node in ast.walk(function) for name in _aliases(node)}
        for node in ast.walk(function):
            texts = map(_bare, _changed(node))
            if any(HELD.search(text) or text.partition(".")[0] in aliases for text in texts):
                found.add(ast.unparse(node))
    return found


def _changed(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a node assigns into, deletes from or calls a mutating method on."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in MUTATING
    ):
        yield node.func.value
    for target in targets:
        for one in target.elts if isinstance(target, ast.Tuple) else [target]:
            if not isinstance(one, ast.Name) or isinstance(node, ast.AugAssign):
                yield one


def _aliases(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node gives to a field of an inventory."""
    if not isinstance(node, ast.Assign):
        return
    target, value = node.targets[0], node.value
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = list(zip(target.elts, value.elts, strict=True))
    for name, given in pairs:
        if isinstance(name, ast.Name) and HELD.search(_bare(given)) and "." in _bare(given):
            yield name.id


def _bare(node: ast.expr) -> str:
    """Return an expression without its subscripts, where it is attributes alone; else nothing."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


def test_only_reading_writes_into_an_inventory() -> None:
    """Outside `inventory/`, nothing changes what was read, or what is written but by a verb."""
    files = [path for path in PREP.rglob("*.py") if OWN not in path.parents]
    found = {path.name: _changes(path.read_text(encoding="utf-8")) for path in files}

    assert {name: changes for name, changes in found.items() if changes} == {}


def test_every_way_to_write_into_one_is_found() -> None:
    """A change is found under the name that it is given, in a tuple, and through an alias."""
    ways = [
        "session.inventory.edits[at] = edit",
        "session.inventory.digests |= more",
        "del inventory.edits[at]",
        "session.written.outputs.pop(name, None)",
        "session.inventory = other",
        "one, session.written.edits[at] = pair",
        "outputs, place = session.written.outputs, 1; outputs.clear()",
        "beside = session.inventory.folder.sidecars; beside[name] = spelled",
    ]
    harmless = ["inventory = session.inventory", "session.written.edit(at, None)"]

    assert [len(_changes(way)) for way in ways] == [1] * len(ways)
    assert [_changes(one) for one in harmless] == [set(), set()]
