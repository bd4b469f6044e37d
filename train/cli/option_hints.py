"""What is said of an option that `train` does not have: how kohya's has it here, or the nearest."""

from collections.abc import Sequence

from prep.runtime.program import nearest_option
from train import spellings
from train.config import OF_FINETUNES, OF_LORAS


def hint(option: str, near: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the hint for an option that there is not: how kohya's has it here, else the nearest.

    What the method lacks is not proposed.

    Args:
        near: Options of the command that are spelt alike.
        words: The command line.
    """
    command = next((word for word in words if not word.startswith("-")), "")
    if command not in ("lora", "finetune", "check"):
        return nearest_option(option, near, words)
    if stage := spellings.of_prep(option.lstrip("-")):
        return f"leave it out: `prep {stage}` does that, see `prep {stage} --help`"
    whole = command == "finetune" or "finetune" in " ".join(words).replace("=", " ").split()
    lacks = {f"--{word.replace('_', '-')}" for word in (OF_LORAS if whole else OF_FINETUNES)}
    theirs = spellings.setting(option.lstrip("-"))
    lacks |= {"--at-hand", "--words-told"} | ({"--method"} if command != "check" else set())
    each = [f"--{theirs.replace('_', '-')}"] if theirs else near
    return nearest_option(option, [one for one in each if one not in lacks], words)
