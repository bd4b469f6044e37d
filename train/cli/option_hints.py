"""What is said of an option that `train` does not have: how kohya's has it here, or the nearest."""

from collections.abc import Sequence

from prep.runtime.program import nearest_option
from train import spellings
from train.methods import USUAL, all_methods, own_options
from train.option_fields import flag


def hint(option: str, near: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the hint for an option that there is not: how kohya's has it here, else the nearest.

    What the method lacks is not proposed.

    Args:
        near: Options of the command that are spelt alike.
        words: The command line.
    """
    command, methods = next((word for word in words if not word.startswith("-")), ""), all_methods()
    if command not in (*methods, "check"):
        return nearest_option(option, near, words)
    if stage := spellings.of_prep(option.lstrip("-")):
        return f"leave it out: `prep {stage}` does that, see `prep {stage} --help`"
    if spellings.of_class(option.lstrip("-")):
        return "leave it out: `train class-pictures` draws class pictures, see its `--help`"
    named = " ".join(words).replace("=", " ").split() if command == "check" else [command]
    method = next((one for name, one in methods.items() if name in named), methods[USUAL])
    others = {name for one in methods.values() for name in own_options(one)}
    lacks = {flag(name) for name in others - set(own_options(method))}
    theirs = spellings.setting(option.lstrip("-"))
    lacks |= {"--at-hand", "--words-told"} | ({"--method"} if command != "check" else set())
    each = [f"--{theirs.replace('_', '-')}"] if theirs else near
    return nearest_option(option, [one for one in each if one not in lacks], words)
