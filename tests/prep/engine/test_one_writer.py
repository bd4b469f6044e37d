"""One writer per view: each kind of file is published in one place of the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

PREP = Path(__file__).resolve().parents[3] / "prep"


def _sites(called: str) -> list[str]:
    """Return module and function of each call in `prep` that is written as `called`."""
    return sorted(
        f"{path.relative_to(PREP).with_suffix('').as_posix()}: {function}"
        for path in PREP.rglob("*.py")
        for function, text in _calls(ast.parse(path.read_text(encoding="utf-8")), "")
        if text == called
    )


def _calls(tree: ast.AST, function: str) -> Iterator[tuple[str, str]]:
    for node in ast.iter_child_nodes(tree):
        own = function
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own = f"{function}.{node.name}".lstrip(".")
        if isinstance(node, ast.Call):
            yield own, ast.unparse(node.func)
        yield from _calls(node, own)


def test_one_committer() -> None:
    """Files get their names or go, and ledger and session are told of them, in one place."""
    for called in ("publish.publish", "publish.remove"):
        assert _sites(called) == ["engine/committer: commit"]
    for told in ("session.written.wrote", "session.written.removed"):
        assert _sites(told) == ["engine/committer: commit"]


def test_one_writer_for_each_kind_of_file() -> None:
    """Results and derived pictures, whole-file views with our copies, and texts: one writer each.

    What removes derived pictures and our copies is one place each, too, and what takes a sheet for
    ours as it is. Whoever has such a file to write, a bulk edit or a lost memory as well, asks its
    writer.
    """
    assert _sites("commit") == [
        "engine/committer: Committer.commit",
        "engine/fanout: _remove_derived",
        "engine/published_files: drop_copies",
        "engine/published_files: write",
        "engine/recover_sheet: take_over",
        "engine/sidecars: write",
    ]
    assert _sites("sidecars.write") == ["engine/bulk_edits: _replace_texts"]
    assert _sites("published_files.write") == [
        "engine/bulk_edits: _replace_metas",
        "engine/recover: _take_metas",
    ]


def test_one_runner_for_maps_and_fan_outs() -> None:
    """What computes samples hands them to the committer in one place, whatever their shape."""
    assert _sites("Committer") == ["engine/runner: _make"]
