"""`train import`: kohya's files and command lines -> pipelines.yaml."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, nearest
from train.config import Config
from train.kohya import kohya_folders, kohya_settings
from train.kohya.kohya_folders import folders_of, shared_options
from train.kohya.kohya_keys import IDLE, REFUSED, is_off
from train.kohya.kohya_settings import PLAIN, SCRIPTS, Mistake, settings_of
from train.kohya.kohya_sources import KohyaRun, read
from train.kohya.pipelines_text import Places, pipelines_text
from train.methods import config_of

_KNOWN = {*PLAIN, *IDLE, *REFUSED, *kohya_settings.READ, *kohya_folders.READ}


def import_files(
    sources: Sequence[str], out: Path, without: Sequence[str], console: Console
) -> None:
    """Write the pipelines.yaml that does what files and command lines of kohya's ask for.

    Args:
        sources: Paths of TOML files and scripts, or command lines.
        without: Their options that are left out although they would change what is trained.

    Raises:
        ConfigError: A source cannot be read, or an option is unknown, wrong, or not there: all of
            them are told at once.
    """
    if out.exists():
        raise ConfigError(f"`{out}` is there already", "move it away, or name another: `--out`")
    run = read(sources)
    text, notes = pipelines_of(run, out.parent, without)
    files.write(out, text.encode())
    for note in notes:
        console.note(note)
    console.say(f"wrote `{out}`; look at it, then type `prep plan` and `prep run`")


def pipelines_of(run: KohyaRun, target: Path, without: Sequence[str]) -> tuple[str, list[str]]:
    """Return the text of the pipelines.yaml of a run, and what is to be told of it.

    Args:
        target: Folder that the file will lie in.
    """
    options = {name: value for name, value in run.options.items() if name not in without}
    script = SCRIPTS.get(run.script or _usual_script(options))
    if script is None:
        raise ConfigError(
            f"`{run.script}.py` is none of kohya's scripts that can be taken over",
            nearest(run.script, SCRIPTS),
        )
    folders, wrong = folders_of(options, run.dataset, run.here)
    given = options | {
        name: value for name, value in shared_options(folders, wrong).items() if name not in without
    }
    wrong = [*_unknown(given), *_refused(given), *wrong]
    found = settings_of(script, given)
    wrong += found.wrong
    base = str(given.get("pretrained_model_name_or_path", ""))
    if not base:
        wrong.append(("no base model is named", "add `--pretrained_model_name_or_path`"))
    if wrong:
        raise ConfigError(*wrong[0], wrong[1:])
    values = {name: _typed(name, value) for name, value in found.values.items()}
    _check(values)
    idle = [f"`{name}` is left out: {IDLE[name]}" for name in sorted(IDLE.keys() & given.keys())]
    vae = str(given.get("vae", base))
    text = pipelines_text(folders, values, vae, Places(run.here, target))
    return text, [*found.notes, *idle]


def _usual_script(options: Mapping[str, Any]) -> str:
    return "train_network" if "network_module" in options else "fine_tune"


def _unknown(given: Mapping[str, Any]) -> list[Mistake]:
    wrong = [name for name in given if name not in _KNOWN]
    return [(f"kohya's scripts have no `{name}`", nearest(name, _KNOWN)) for name in wrong]


def _refused(given: Mapping[str, Any]) -> list[Mistake]:
    found = [name for name in given if name in REFUSED and not is_off(name, given[name])]
    return [
        (
            f"`{name}` is `{given[name]}`, and here {REFUSED[name][1]}",
            f"train without it: `--without {name}`",
        )
        for name in found
    ]


def _check(values: Mapping[str, Any]) -> None:
    """Raise ConfigError where a value is out of the limits of our settings."""
    config_of(**{name: value for name, value in values.items() if name not in ("out", "prompts")})


def _typed(name: str, value: Any) -> Any:
    """Return a value of a command line as the setting has it: a number, or the text itself."""
    hint = get_type_hints(Config).get(name)
    if not isinstance(value, str) or str in (hint, *get_args(hint)):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
