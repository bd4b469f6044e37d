"""What is told of the pictures' words before a training, and whose keys are whose."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prep.runtime.console import Console

if TYPE_CHECKING:
    from prep.dataset.account import Account


def tell_words(words: "Account", paths: Sequence[Path], console: Console) -> None:
    """Print which pictures train without words, and which words do not train.

    Args:
        words: The account of the files together.
        paths: The dataset files: keys of all but the first begin with their numbers.
    """
    lines = words.lines()
    if len(paths) > 1:
        named = (f"`{number}/` of `{path}`" for number, path in enumerate(paths[1:], 2))
        console.say(f"keys of several dataset files: those that begin with {', '.join(named)}")
    if lines:
        console.say(*lines, account=words.facts())
    if not console.level and not console.json:
        for line in words.wrong():
            console.wrong(line)
