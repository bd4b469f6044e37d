"""Every check of the project, in order; stops at the first that fails and names it.

`python -m tests.check`. CI runs this and nothing else.
"""

import ast
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("prep", "train", "tagger_models", "tinyworld")
FOLDERS = (*PACKAGES, "tests", "benchmarks")

MOST_LINES_OF_FILE = 300
MOST_LINES_OF_TESTS = 600  # a room's promises may be more than its code
MOST_LINES_OF_FUNCTION = 60
SHORT_FUNCTION = 30
SHARE_OF_SHORT = 0.9
MOST_POSITIONAL = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tool(*arguments: str) -> Callable[[], bool]:
    """Return a check that runs a module of this Python and passes when it exits with 0."""

    def check() -> bool:
        return _succeeds([sys.executable, "-m", *arguments])

    return check


def contracts() -> bool:
    """Return whether every import keeps the contracts of pyproject.toml."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    return _succeeds([program or "lint-imports"])


def budgets() -> bool:
    """Return whether files, functions and docstrings keep the house's budgets; print breaches."""
    breaches = list(breaches_of(ROOT))
    print("\n".join(breaches), end="\n" if breaches else "")
    return not breaches


def breaches_of(root: Path) -> Iterator[str]:
    """Yield one line for each breach in the Python files under `root`, in order of path."""
    lengths = []
    for path in _python_files(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        most = MOST_LINES_OF_TESTS if name.startswith("tests/") else MOST_LINES_OF_FILE
        if (lines := len(text.splitlines())) > most:
            yield f"{name}: {lines} lines, at most {most}"
        if not text.isascii():
            yield f"{name}: code is ASCII; write other letters as escapes"
        tree = ast.parse(text)
        functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
        yield from _function_breaches(name, functions)
        if name.startswith("tests/"):
            yield from _untold_tests(name, functions)
        else:
            lengths += [length_of(function) for function in functions]
    short = sum(length < SHORT_FUNCTION for length in lengths)
    if lengths and short < SHARE_OF_SHORT * len(lengths):
        yield f"{short} of {len(lengths)} functions are under {SHORT_FUNCTION} lines, too few"


def length_of(function: Function) -> int:
    """Return how many lines a function's code takes, from `def` to its end, docstring left out."""
    end = function.end_lineno or function.lineno
    lines = end - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None and first.end_lineno:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def _function_breaches(name: str, functions: list[Function]) -> Iterator[str]:
    for function in functions:
        where = f"{name}:{function.lineno}: `{function.name}`"
        if (lines := length_of(function)) > MOST_LINES_OF_FUNCTION:
            yield f"{where} has {lines} lines, at most {MOST_LINES_OF_FUNCTION}"
        places = [*function.args.posonlyargs, *function.args.args]
        count = len([place for place in places if place.arg not in ("self", "cls")])
        if count > MOST_POSITIONAL and not name.startswith("tests/"):
            yield f"{where} takes {count} positional arguments, at most {MOST_POSITIONAL}"


def _untold_tests(name: str, functions: list[Function]) -> Iterator[str]:
    for function in functions:
        if function.name.startswith("test_") and not ast.get_docstring(function):
            yield f"{name}:{function.lineno}: `{function.name}` has no docstring"


def _python_files(root: Path) -> list[Path]:
    inside = [path for folder in FOLDERS for path in (root / folder).rglob("*.py")]
    return sorted([*root.glob("*.py"), *inside])


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


# Three processes for two cores, since many tests wait. A file of tests stays in one; files come in
# their order, so that none of the long ones, which are a test each, is left for the end.
_IN_ORDER = ("--dist", "loadfile", "--no-loadscope-reorder")
CHECKS: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("ruff format", tool("ruff", "format", "--check", ".")),
    ("ruff check", tool("ruff", "check", ".")),
    ("mypy", tool("mypy")),
    ("lint-imports", contracts),
    ("budgets", budgets),
    ("pytest", tool("pytest", "-q", "-n", "3", *_IN_ORDER, "--durations", "15")),
)


def main() -> int:
    """Run the checks; return 0 when all pass, else 1."""
    for name, check in CHECKS:
        began = time.monotonic()
        print(f"== {name}", flush=True)
        if not check():
            print(f"check failed: {name}", file=sys.stderr)
            return 1
        print(f"   {time.monotonic() - began:.1f} s", flush=True)
    print("all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
