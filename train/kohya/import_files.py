"""`train import`: kohya's files and command lines -> pipelines.yaml."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, nearest
from prep.runtime.program import program_words, run_child
from train import spellings
from train.config import Config
from train.kohya import kohya_folders, kohya_settings
from train.kohya.kohya_folders import folders_of, shared_options
from train.kohya.kohya_keys import FLAGS, IDLE, REFUSED, is_off
from train.kohya.kohya_networks import method_of
from train.kohya.kohya_scripts import SCRIPTS, Mistake, Settings
from train.kohya.kohya_settings import PLAIN, settings_of
from train.kohya.kohya_sources import KohyaRun, read
from train.kohya.launcher_notes import launcher_notes
from train.kohya.left_out import left_out
from train.kohya.pipelines_text import Places, pipelines_text
from train.methods import config_of

_DIFFER = 4  # of `prep import`: some pictures have other words of a person's, and keep them
_KNOWN = {*PLAIN, *IDLE, *REFUSED, *kohya_settings.READ, *kohya_folders.READ}


class Imported(NamedTuple):
    """What a run of kohya's scripts becomes.

    Attributes:
        text: Of the pipelines.yaml.
        notes: What is to be told of it.
        words: Metadata file and folder of the pictures whose words it holds.
    """

    text: str
    notes: list[str]
    words: list[tuple[Path, Path]]


def import_files(
    sources: Sequence[str], out: Path, without: Sequence[str], console: Console
) -> int:
    """Write the pipelines.yaml that does what files and command lines of kohya's ask for.

    Args:
        sources: Paths of TOML files and scripts, or command lines.
        without: Their options that are left out although they would change what is trained.

    Returns:
        The exit code of `prep import`, where words of metadata were taken over; else 0.

    Raises:
        ConfigError: A source cannot be read, or an option is unknown, wrong, or not there: all of
            them are told at once.
    """
    found = pipelines_of(read(sources), out.parent, without)
    if out.exists():
        raise ConfigError(f"`{out}` is there already", "move it away, or name another: `--out`")
    code = publish(found, out, console)
    if code in (0, _DIFFER):
        console.say(f"wrote `{out}`; look at it, then type `prep plan` and `prep run`")
    return code


def publish(found: Imported, out: Path, console: Console) -> int:
    """Let `prep import` take the words of metadata over, then write the file, or write it anew.

    Returns:
        The worst exit code of `prep import`; where it failed nothing is written.
    """
    program = [*program_words("prep"), "import"]
    speech = ["--json"] if console.json else []
    each = [[*program, str(file), "--in", str(folder), *speech] for file, folder in found.words]
    code = max(map(run_child, each), default=0)
    if code in (0, _DIFFER):
        files.write(out, found.text.encode())
        for note in found.notes:
            console.note(note)
    return code


def pipelines_of(
    run: KohyaRun, target: Path, without: Sequence[str], method: str | None = None
) -> Imported:
    """Return what a run of kohya's scripts becomes; nothing is written.

    Args:
        method: What it has to be a training of; None for any.
        target: Folder that the file will lie in.
    """
    known = _KNOWN | run.options.keys()
    if strange := [name for name in without if name not in known]:
        raise ConfigError(
            f"`--without {strange[0]}` names no option of kohya's scripts",
            nearest(strange[0], known),
        )
    run, notes = left_out(run, without)
    options = run.options
    script = SCRIPTS.get(run.script or _usual_script(options))
    if script is None:
        raise ConfigError(
            f"`{run.script}.py` is none of kohya's scripts that can be taken over",
            nearest(run.script, SCRIPTS),
        )
    asked = method_of(script.method, options)
    if method not in (None, asked) and not run.only_pictures():
        raise ConfigError(
            f"this is a training by `train {asked}`, not by `train {method}`",
            "a LoRA has `network_module`, a fine-tune has none",
        )
    folders, wrong = folders_of(options, run.dataset, run.here)
    given = dict(options) | shared_options(folders, wrong)
    given |= {"alpha_mask": True} if any(one.alpha_mask for one in folders) else {}
    wrong = [*_unknown(given), *_without_value(given), *_refused(given), *wrong]
    wrong += _absent(given, run.here)
    found = settings_of(script, given)
    if any(one.get("regularisation") for each in folders for one in each.concepts.values()):
        found.values["balance_regularisation"] = True  # theirs always are
    wrong += found.wrong
    base = str(given.get("pretrained_model_name_or_path", ""))
    wrong += _no_base(run, base)
    if wrong:
        raise ConfigError(*wrong[0], wrong[1:])
    hints = get_type_hints(Config)
    values = {name: _typed(value, hints.get(name)) for name, value in found.values.items()}
    _check(values, found)
    notes += [*found.notes, *_processes(run, values), *launcher_notes(run.launcher), *_idle(given)]
    vae = str(given.get("vae", base))
    if "masked_loss" not in values:  # of kohya's scripts one uses none
        folders = [replace(one, alpha_mask=False) for one in folders]
    text = pipelines_text(folders, values, vae, Places(run.here, target))
    words = [
        (run.here / one.metadata, run.here / one.images)
        for one in folders
        if one.metadata is not None
    ]
    return Imported(text, notes, words)


def _no_base(run: KohyaRun, base: str) -> Iterator[Mistake]:
    """Yield that no base model is named, or nothing of how to train at all."""
    if run.only_pictures():
        told = "only a dataset file is named: it says which pictures train, not how"
        yield told, "name the config file or the command line in front of it, too"
    elif not base:
        yield "no base model is named", "add `--pretrained_model_name_or_path`"


def _processes(run: KohyaRun, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what to know of several processes: their number decides nothing here."""
    if run.processes > 1:
        batch, batches = values["batch"], values["accumulate"] * run.processes
        yield (
            f"kohya's scripts take a batch in each of {run.processes} processes; here their "
            f"number changes nothing: for up to {batch * batches} samples a step write "
            f"`accumulate: {batches}`"
        )


def _usual_script(options: Mapping[str, Any]) -> str:
    return "train_network" if "network_module" in options else "fine_tune"


def _unknown(given: Mapping[str, Any]) -> list[Mistake]:
    wrong = [name for name in given if name not in _KNOWN]
    return [(f"kohya's scripts have no `{name}`", nearest(name, _KNOWN)) for name in wrong]


def _without_value(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield flags that have a value, and other options that have none."""
    for name, value in given.items():
        if name in FLAGS and not isinstance(value, bool):
            yield f"`{name}` is `{value}`", "write true or false"
        elif name not in FLAGS and isinstance(value, bool):
            yield f"`{name}` has no value", "give it one, or leave it out"


def _refused(given: Mapping[str, Any]) -> list[Mistake]:
    found = [name for name in given if name in REFUSED and not is_off(name, given[name])]
    return [
        (
            f"`{name}` is `{given[name]}`, and here {REFUSED[name][1]}",
            f"train without it: `--without {name}`",
        )
        for name in found
    ]


def _absent(given: Mapping[str, Any], here: Path) -> Iterator[Mistake]:
    """Yield which files are named and not there: that of prompts, and the one to go on from."""
    name = given.get("sample_prompts")
    if isinstance(name, str) and not (here / name).is_file():
        told = f"the file of prompts `{name}` is not there"
        yield told, "write it, or draw nothing: `--without sample_prompts`"
    name = given.get("network_weights")
    if isinstance(name, str) and not (here / name).is_file():
        hint = "name the one that `--network_weights` means, or train anew: "
        yield f"there is no file `{name}`", f"{hint}`--without network_weights`"


def _idle(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield which options are left out that change nothing of what is trained, and why."""
    for name in sorted(IDLE.keys() & given.keys()):
        yield f"`{name}` is left out: {IDLE[name]}"
    saved = given.keys() & {"save_every_n_epochs", "save_every_n_steps"}
    every = [unit for unit in ("epochs", "steps") if f"sample_every_n_{unit}" in given]
    if "sample_prompts" in given and every and not saved:
        often = given[f"sample_every_n_{every[0]}"]
        yield (
            "without `save_every_n_epochs` or `save_every_n_steps` nothing is drawn before the "
            f"end: for samples on the way write `save_every_{every[0]}: {often}`"
        )


def _check(values: Mapping[str, Any], found: Settings) -> None:
    """Raise ConfigError where a value is out of the limits of our settings.

    Args:
        found: What was given, by whose names the settings are called.
    """
    words = [
        word for name in found.given if name.endswith("_args") for word, _ in found.pairs(name)
    ]
    theirs = {spellings.setting(word) or word: word for word in words}
    theirs |= {spellings.setting(name) or PLAIN.get(name, name): name for name in found.given}
    theirs |= {"block_size": theirs["rank"]} if "rank" in theirs else {}

    def named(text: str | None) -> str:
        return re.sub(
            r"`--([a-z-]+)",
            lambda word: f"`{theirs.get(word[1].replace('-', '_')) or word[0][1:]}",
            text or "",
        )

    try:
        config_of(**{name: one for name, one in values.items() if name not in ("out", "prompts")})
    except ConfigError as error:
        more = [(named(told), named(hint)) for told, hint in error.others]
        raise ConfigError(named(str(error)), named(error.hint) or None, more) from None


def _typed(value: Any, hint: Any) -> Any:
    """Return a value of a command line as the setting has it: a number, or the text itself."""
    if not isinstance(value, str) or str in (hint, *get_args(hint)):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
