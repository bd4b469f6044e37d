"""The doctor's page: every finding a line, what to do about it below, private paths masked."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from prep.doctor import folders, installation
from prep.doctor.diagnosis import Diagnosis, masked, user_name
from prep.models.locate import Models
from prep.pipeline import command_line, locations
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, UserError

UNWELL = 1  # the exit code where something is left to mend


def show(found: Iterable[Diagnosis], console: Console, fix: bool) -> int:
    """Print the page; with `fix`, mend what can be mended and say so. Return the exit code."""
    left = 0
    for finding in found:
        done = finding.mend() if fix and finding.mend else ""
        left += bool(finding.hint and not done)
        lines = [_masked(line) for line in _lines(finding, done)]
        console.say(
            *lines, subject=finding.subject, text=_masked(finding.text),
            hint=_masked(finding.hint), done=_masked(done),
        )  # fmt: skip
    console.say(f"to mend: {left}" if left else "nothing is wrong", left=left)
    return UNWELL if left else 0


def findings(
    folder: Path | None, state: Path | None, pipelines: Path | None, models: Models
) -> Iterator[Diagnosis]:
    """Yield all that is found, from the installation to the folders; nothing is changed.

    Args:
        folder: A dataset's folder; None for those of the pipelines.
        state: prep's folder for it, where it is not inside.
        pipelines: The file of pipelines; None for `./pipelines.yaml`, where there is one.

    Raises:
        ConfigError: prep's folder is named, and no dataset that it belongs to.
    """
    if state is not None and folder is None:
        raise ConfigError(
            f"`--state {state}` is prep's folder of a dataset, and none is named",
            "name it: `--in DIR`",
        )
    yield from installation.findings()
    yield from folders.of_user(models)
    try:
        named, found = command_line.pipelines_if_any(pipelines), None
        if folder is not None:
            found = command_line.pipeline_of(folder, pipelines)
    except UserError as error:
        for message, hint in ((str(error), error.hint), *error.others):
            yield Diagnosis("pipelines", message, hint or "mend the file")
        named, found = {}, None
    if folder is not None:
        places = [locations.location_of(folder, state, found)]
    else:
        each = ((pipeline, one) for pipeline in named.values() for one in pipeline.folders())
        places = [  # what a fan-out writes need not be there yet
            locations.location_of(one, None, pipeline)
            for pipeline, one in each
            if one.is_dir() or one == pipeline.images
        ]
    yield from folders.of_pipelines(list(named.values()), models)
    yield from folders.of_places(places)


def _lines(finding: Diagnosis, done: str) -> Iterator[str]:
    yield f"{finding.subject + ':':<15}{finding.text}"
    if done:
        yield f"{'':<15}fixed: {done}"
    elif finding.hint:
        yield f"{'':<15}hint: {finding.hint}"


def _masked(text: str) -> str:
    return masked(text, Path.home(), Path.cwd(), user_name())
