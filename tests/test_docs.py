"""The pages hold together: links lead somewhere, options exist, languages say the same commands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from prep.cli import app as prep_cli
from train.cli import app as train_cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
JAPANESE = [path for path in PAGES if path.name.endswith(".ja.md")]
MOST_WORDS = 1600
BLOCK = re.compile(r"^```(.*?)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Options of bootstrap.py, pip, uv, pytest, torchrun, TensorBoard, our benchmarks, and of prompts.
OTHERS = {
    "cpu", "cuda", "newest", "long", "help", "seeds", "photos", "work", "logdir", "force-reinstall",
    "no-deps", "index-url", "upgrade", "universal", "all-extras", "python-version", "no-annotate",
    "no-emit-index-url", "v2", "dim", "sdxl", "shared",
    "n", "w", "h", "d", "s", "l", "ss", "ow", "oh", "cl", "ct", "g", "cn", "nl", "t",
}  # fmt: skip


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.strip().lower()).replace(" ", "-") for one in headings}


def lost(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead to no file or to no heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        name, _, anchor = target.partition("#")
        to = page.parent / name if name else page
        if not name.startswith("http") and (
            not to.is_file() or (anchor and anchor not in anchors(to))
        ):
            yield target


def known_options() -> Iterator[str]:
    """Yield every option of both programs, without its dashes."""
    for app in (prep_cli.build_app(), train_cli.app):
        waiting: list[Any] = [get_command(app)]
        while waiting:
            command = waiting.pop()
            waiting += vars(command).get("commands", {}).values()
            for one in command.params:
                yield from (word.lstrip("-") for word in (*one.opts, *one.secondary_opts))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link of a page that is no address leads to a file that is there, and to a heading."""
    assert not list(lost(page))


def test_options_are_options() -> None:
    """An option that a page names is one of ours; those with `_` are kohya's.

    CHANGELOG.md also tells of options that are gone.
    """
    known = OTHERS | set(known_options())
    for page in (one for one in PAGES if one.name != "CHANGELOG.md"):
        named = re.findall(r"(?<![\w-])--([a-z][\w-]*)", page.read_text(encoding="utf-8"))
        assert not {one for one in named if "_" not in one} - known, page.name


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links every page of docs."""
    linked = set(re.findall(r"\]\(([\w.]+\.md)", prose(ROOT / "docs" / "README.md")))

    assert linked >= {path.name for path in ROOT.glob("docs/*.md")} - {"README.md"}


def test_the_readme_is_short() -> None:
    """A newcomer reads it in ten minutes."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < MOST_WORDS


@pytest.mark.parametrize("page", JAPANESE, ids=lambda page: page.name)
def test_a_translation_has_the_same_commands(page: Path) -> None:
    """The blocks of a Japanese page are those of the English one, and so are its sections."""
    english = page.with_name(page.name.replace(".ja.md", ".md"))
    (theirs, ours) = (one.read_text(encoding="utf-8") for one in (page, english))

    assert BLOCK.findall(theirs) == BLOCK.findall(ours) != []
    assert re.findall(r"^#+ ", theirs, re.MULTILINE) == re.findall(r"^#+ ", ours, re.MULTILINE)
