"""The `class_pictures:` of a pipeline: the commands they stand for, and what is wrong with them.

The `train` program draws them, in a process of its own, before the first stage looks at the folder.
"""

from collections.abc import Sequence

from prep.pipeline import training
from prep.pipeline.jobs import text_of
from prep.pipeline.locations import check_folder
from prep.pipeline.pipeline import ClassFolder, Pipeline
from prep.runtime.errors import ConfigError
from prep.runtime.program import program_words, run_child

# Options of the program that are not settings, or that the pipeline itself says.
_NO_SETTINGS = {"dry_run", "ending", "help", "json", "quiet"}


def check(pipeline: Pipeline) -> list[str]:
    """Let `train class-pictures` look at each folder; return what it would do, a line each.

    Raises:
        ConfigError: Settings are wrong: the first mistake of each folder, with its line.
        SystemExit: The check itself failed; it has printed why.
    """
    wrong: list[tuple[str, str | None]] = []
    lines: list[str] = []
    for part in pipeline.parts():
        for one in part.class_pictures:
            pairs, said = _asked(part, one)
            lines += said.splitlines()
            at = f"`{part.file}` line {one.node.line}: `{one.name}`: "
            wrong += [(at + message, hint) for message, hint in pairs[:1]]
    if wrong:
        raise ConfigError(*wrong[0], others=wrong[1:])
    return lines


def _asked(pipeline: Pipeline, one: ClassFolder) -> tuple[list[training.Pair], str]:
    """Return what is wrong with the settings of a folder, and what would be done."""
    if strange := sorted(_NO_SETTINGS & one.options.keys()):
        return [(f"there is no key `{strange[0]}`", "leave it out")], ""
    _, told, said = training.answered([*_command(pipeline, one), "--dry-run"])
    each = [(message.replace("no such option", "there is no key"), hint) for message, hint in told]
    return [training.as_keys(*pair) for pair in each], said


def draw(pipeline: Pipeline, speech: Sequence[str]) -> int:
    """Draw what is missing for a pipeline and its parts; return the first exit code that is not 0.

    Args:
        speech: Options that say how the program speaks.

    Raises:
        DatasetError: There is no folder of pictures.
    """
    words = [option for option in speech if option != "--verbose"]
    for part in pipeline.parts() if any(one.class_pictures for one in pipeline.parts()) else ():
        check_folder(part.images)
        for one in part.class_pictures:
            if code := run_child([*program_words("train"), *_command(part, one), *words]):
                return code
    return 0


def _command(pipeline: Pipeline, one: ClassFolder) -> list[str]:
    """Return the command line of one folder, after the words that start the program."""
    latents = pipeline.step("latents")
    base = (pipeline.train or {}).get("base") or (latents and latents.values.get("model"))
    given = {"base": base} if base else {}
    # What a `.txt` holds trains, whichever it is; else captions lie in files of their own.
    own = text_of(pipeline) == "caption" and pipeline.sidecars.get(".txt") != "caption"
    ending = {"ending": ".caption"} if own else {}
    options = training.flags(given | dict(one.options) | ending)
    return ["class-pictures", training.near(str(one.folder)), *options]
