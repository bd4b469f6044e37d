"""`--probe`: short trainings choose learning rate, rank and steps; then all pictures train.

The source pictures are parted in three. With each part held out in turn, the rate that was asked
for is compared with a third and three times of it, then the rank with half and twice of it, over a
quarter of the steps; what is chosen is trained over all of them, to see from where on the pictures
that are held out get worse. Each trial is a run like any other: one that is killed goes on.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from prep.runtime.lock import hold
from train.config import Config
from train.data.held_out import source_count
from train.methods.adapter_options import MOST_ALPHA, MOST_RANK, RankOptions
from train.optimizers import Rate
from train.run.decide import Run, decide
from train.run.start import start
from train.trials import trial_results
from train.trials.trial_choice import LossCurve, StepChoice, settings_of, steps_of, together

PARTS = 3
_LEAST_SOURCES = 2 * PARTS
_SHORT = 4  # a trial of rate or rank takes one of so many parts of the steps
_LOOKS, _SHORT_LOOKS = 12, 4  # measurements of a trial over all the steps, and of a short one
_LEAST_RATE, _MOST_RATE = 1e-10, 10.0
_TIMES = (1.0, 1 / 3, 3.0)
_WIDER = (1.0, 0.5, 2.0)


@dataclass(frozen=True)
class Trials:
    """Trials of one training.

    Attributes:
        paths: Dataset files.
        folder: Of what is kept of them.
    """

    paths: Sequence[Path]
    models: Models
    console: Console
    folder: Path

    def curve(self, config: Config, steps: int) -> LossCurve:
        """Return the losses of all pictures under some settings, each while it was held out."""
        each = [self._part(config, steps, number) for number in range(1, PARTS + 1)]
        return together(each)

    def _part(self, config: Config, steps: int, number: int) -> LossCurve:
        name = f"{_told(config)}, {counted(steps, 'step')}, part {number} of {PARTS}"
        done = trial_results.read(self.folder)
        if name not in done:
            wish = _trial(config, steps, number, self.folder)
            made = start(self.paths, wish, self.models, Console(level=0))
            done[name] = trial_results.curve_of(made.parent)
            trial_results.write(self.folder, done)
            shutil.rmtree(made.parent, ignore_errors=True)
            found = steps_of(done[name])
            self.console.say(
                f"  {name}: held-out loss {found.loss:.4f} after {counted(found.best, 'step')}",
                trial=name, loss=found.loss, step=found.best,
            )  # fmt: skip
        return done[name]


def probed(paths: Sequence[Path], config: Config, models: Models, console: Console) -> Config:
    """Return the settings with the learning rate, rank and steps that trials speak for.

    Raises:
        ConfigError: There are too few pictures, or the method exports whole models.
        UserError: As of `start`.
    """
    run = decide(paths, config, models)
    _check(run)
    folder = config.out / f"{run.name}-probe-{run.recipe[:8]}"
    trials = Trials(paths, models, console, folder)
    config = replace(config, steps=run.steps, epochs=None)
    console.say(f"probe: {PARTS} parts of the pictures are held out in turn")
    with hold(folder, folder, "train"):
        config = _best(trials, _rates(config))
        config = _best(trials, _ranks(config))
        found = steps_of(trials.curve(config, run.steps))
    return _chosen(config, found, console)


def foretold(paths: Sequence[Path], config: Config, models: Models) -> str:
    """Return how much is trained before a training, in a sentence; raises as `probed`."""
    run = decide(paths, config, models)
    _check(run)
    tries = len(_rates(run.config)) + len(_ranks(run.config)) - 2
    steps = (tries + bool(tries)) * (run.steps // _SHORT) + run.steps
    return f"probe: {PARTS * steps:,} steps in short trainings before it, at most"


def _check(run: Run) -> None:
    """Raise ConfigError where trials would say nothing, or need the disk of a whole model each."""
    if run.method.form(run.config):
        raise ConfigError(
            f"`--probe` is for small exports, and `train {run.method.name}` writes whole models",
            "leave it out; `--held-out 0.1` shows from where on a training gets worse",
        )
    count = source_count(run.data)
    if count < _LEAST_SOURCES:
        raise ConfigError(
            f"`--probe` takes {_LEAST_SOURCES} source pictures or more, and "
            f"{'there is 1' if count == 1 else f'there are {count}'}",
            "leave it out; `train pick` chooses one of several exports",
        )


def _best(trials: Trials, tries: Sequence[Config]) -> Config:
    """Return which of some settings trials speak for; the first is the one that was asked for."""
    if len(tries) == 1:
        return tries[0]
    short = max(1, (tries[0].steps or 0) // _SHORT)
    return tries[settings_of([trials.curve(one, short) for one in tries])]


def _rates(config: Config) -> list[Config]:
    """Return the settings with each learning rate; the asked one alone where it decides nothing."""
    rate = config.learning_rate
    if rate is None or config.row().rate is not Rate.OURS:
        return [config]
    text = config.text_encoder_learning_rate
    return [
        replace(
            config,
            learning_rate=_round(rate * times),
            text_encoder_learning_rate=None if text is None else _round(text * times),
        )
        for times in _TIMES
        if _LEAST_RATE <= rate * times <= _MOST_RATE
    ]


def _ranks(config: Config) -> list[Config]:
    """Return the settings with each rank; an alpha that was given keeps its share of the rank."""
    own = config.own
    if not isinstance(own, RankOptions):
        return [config]
    found = []
    for times in _WIDER:
        rank = max(1, round(own.rank * times))
        alpha = None if own.alpha is None else own.alpha * rank / own.rank
        if rank <= MOST_RANK and (alpha is None or alpha <= MOST_ALPHA):
            found.append(replace(config, own=replace(own, rank=rank, alpha=alpha)))
    return list(dict.fromkeys(found))


def _round(rate: float) -> float:
    return float(f"{rate:.3g}")


def _resized(config: Config, steps: int) -> Config:
    """Return the settings of another number of steps; what they count of them keeps its share."""
    share = steps / (config.steps or steps)
    return replace(
        config,
        steps=steps,
        warmup=int(config.warmup * share),
        decay_steps=int(config.decay_steps * share),
    )


def _trial(config: Config, steps: int, number: int, folder: Path) -> Config:
    """Return the settings of a trial: measured often, and nothing drawn."""
    return replace(
        _resized(config, steps),
        held_out_fold=f"{number}/{PARTS}",
        save_every_epochs=None,
        save_every_steps=max(1, steps // (_SHORT_LOOKS if steps < (config.steps or 0) else _LOOKS)),
        prompts=None,
        log=None,
        watch=1,
        out=folder,
        name="trial",
    )


def _told(config: Config) -> str:
    """Return what differs between trials, in words."""
    words = []
    if isinstance(config.own, RankOptions):
        words.append(f"rank {config.own.rank}")
    if config.learning_rate is not None:
        words.append(f"rate {config.learning_rate:g}")
    return ", ".join(words) or config.method


def _chosen(config: Config, found: StepChoice, console: Console) -> Config:
    """Return the settings of the training, with more steps as all pictures train; tell them."""
    asked = config.steps or 0
    steps = min(asked, round(found.steps * PARTS / (PARTS - 1)))
    lines = [f"probe: {_told(config)}, {counted(steps, 'step')}"]
    if found.is_last:
        lines.append(
            "  held-out pictures get no worse up to the last step: more `--steps` may be better"
        )
    facts = {"steps": steps, "learning_rate": config.learning_rate, "held_out_loss": found.loss}
    console.say(*lines, **facts)
    return _resized(config, steps)
