import os
from pathlib import Path

import pytest
import torch

from prep.models.locate import Models
from prep.runtime.errors import ConfigError, HeldError, UserError
from prep.runtime.lock import hold
from tests.train.runs import lora, new_console, said, settings, steps
from train.methods import config_of
from train.run import decide, recipe_versions, start
from train.run.decide import program_version


def test_fewer_steps_are_refused(meta: Path, tmp_path: Path, models: Models) -> None:
    """A run that has gone further is not taken back, and the hint says how to begin another."""
    made = lora(meta, tmp_path, models, new_console(), steps=2)

    with pytest.raises(ConfigError) as caught:
        lora(meta, tmp_path, models, new_console(), steps=1)

    assert (str(caught.value), caught.value.hint) == (
        f"`{made.parent}` has done 2 steps already, and 1 is asked for",
        "ask for more steps, or begin another run with `--name`",
    )


def test_a_second_run_says_who_holds_the_folder(meta: Path, tmp_path: Path, models: Models) -> None:
    """Two identical runs at once: the second one names the first and leaves with 5."""
    decided = decide.decide([meta], config_of(**settings(tmp_path) | {"out": tmp_path}), models)

    with hold(decided.checkpoints, decided.folder, "train"), pytest.raises(HeldError) as caught:
        lora(meta, tmp_path, models, new_console())

    assert caught.value.exit_code == 5
    assert str(caught.value).startswith(f"`{decided.folder}` is held by `train")
    assert f"(process {os.getpid()}, since " in str(caught.value)
    assert caught.value.hint == "wait until it is done, or stop it"


def _refused(meta: Path, models: Models, **given: object) -> tuple[str, str | None]:
    with pytest.raises(UserError) as caught:
        lora(meta, Path("unused"), models, new_console(), **given)
    return str(caught.value), caught.value.hint


def test_resume_of_another_run_is_refused(meta: Path, tmp_path: Path, models: Models) -> None:
    """Row 88: `--resume` with other settings or data says what differs, and trains nothing."""
    folder = lora(meta, tmp_path, models, new_console(), steps=1).parent

    assert _refused(meta, models, resume=folder, rank=3, warmup=2) == (
        (
            f"`{folder}` is another run: `--rank` is 2 there and 3 here; "
            "`--alpha` is 2.0 there and 3.0 here; `--warmup` is 0 there and 2 here"
        ),
        "give the settings and data of that run, or leave out `--resume` to begin a new one",
    )
    assert _refused(meta, models, resume=tmp_path) == (
        f"`{tmp_path}` is not a run folder",
        "name a folder that holds `config.json`",
    )


def test_resume_goes_on_wherever_the_folder_is(meta: Path, tmp_path: Path, models: Models) -> None:
    """A run folder that was moved is gone on with where it is now."""
    folder = lora(meta, tmp_path / "a", models, new_console(), steps=1, name="n").parent
    moved = folder.rename(tmp_path / "elsewhere")

    made = lora(meta, tmp_path / "a", models, new_console(), steps=2, resume=moved)

    assert made == moved / "n.safetensors"
    assert steps(made) == [1, 2]


def test_a_new_run_names_the_one_it_does_not_go_on_with(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Changed settings begin a new folder; a stopped one of the same name is told with why."""
    old = lora(meta, tmp_path, models, new_console(), steps=1)
    old.unlink()
    console = new_console()

    lora(meta, tmp_path, models, console, steps=1, rank=4, alpha=2.0)

    assert said(console)[1] == (
        f"a new run begins; `{old.parent}`, stopped at step 1, is another: "
        "`--rank` is 2 there and 4 here\n"
    )


def test_a_run_that_is_gone_on_with_names_no_other(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Where its own folder has a checkpoint no new run begins, and the others are not told."""
    for rank in (2, 4):
        lora(meta, tmp_path, models, new_console(), steps=1, rank=rank, alpha=2.0).unlink()
    console = new_console()

    lora(meta, tmp_path, models, console, steps=2, rank=4, alpha=2.0)

    assert said(console)[1] == "continues after step 1 of 2\n"


def test_a_fine_tune_that_is_done_is_not_unfinished(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """A model that is a folder ends its run as a file does: the next run has nothing to tell."""
    lora(meta, tmp_path, models, new_console(), steps=1, method="finetune")
    console = new_console()

    lora(meta, tmp_path, models, console, steps=1, method="finetune", batch=2)

    assert said(console)[1] == ""


def test_what_may_change_the_last_bits_is_said(meta: Path, tmp_path: Path, models: Models) -> None:
    """Row 87: going on with another number of threads is told in one line, and sees the same."""
    lora(meta, tmp_path, models, new_console(), steps=1, batch=2)
    console = new_console()
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        lora(meta, tmp_path, models, console, steps=2, batch=2)
    finally:
        torch.set_num_threads(threads)

    assert said(console)[1] == (
        f"continues after step 1 of 2\nthreads: {threads} before, {threads + 1} now; "
        "the last bits may differ\n"
    )


def test_passes_of_before_are_not_taken_for_batches(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Once `--accumulate 2` cut a batch: such a stopped run is told, and goes on without it."""
    made = lora(meta, tmp_path, models, new_console(), steps=1, batch=2)
    made.unlink()
    config = made.parent / "config.json"
    config.write_text(config.read_text().replace('"accumulate": 1', '"accumulate": 2'))

    with pytest.raises(ConfigError) as caught:
        lora(meta, tmp_path, models, new_console(), steps=2, batch=2, accumulate=2)
    console = new_console()
    lora(meta, tmp_path, models, console, steps=2, batch=2)

    assert (str(caught.value), caught.value.hint) == (
        (
            f"`{made.parent}`, stopped after step 1, was begun by another version of this program, "
            "which cut a batch into `--accumulate` passes"
        ),
        (
            "go on with it without `--accumulate`, or begin a new run: give another `--name`, or "
            "move that folder away"
        ),
    )
    assert said(console)[1] == "continues after step 1 of 2\n"


def test_a_run_whose_texts_were_read_one_by_one_is_refused(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a text encoder learns from several texts at once, a stopped run of before is told."""
    more = {"name": "toy", "text_encoder": True}
    with monkeypatch.context() as before:
        before.setattr(recipe_versions, "_text_learns", lambda config, family: False)
        old = [
            lora(meta, tmp_path, models, new_console(), steps=1, batch=n, **more) for n in (1, 2)
        ]
    for made in old:
        made.unlink()

    with pytest.raises(ConfigError) as caught:
        lora(meta, tmp_path, models, new_console(), steps=2, batch=2, **more)
    console = new_console()
    alone = lora(meta, tmp_path, models, console, steps=2, batch=1, **more)

    assert (str(caught.value), caught.value.hint) == (
        (
            f"`{old[1].parent}`, stopped after step 1, was begun by another version of this "
            "program, which read the texts of a batch one by one"
        ),
        (
            f"finish it with version {program_version()}, or begin a new run: give another "
            "`--name`, or move that folder away"
        ),
    )
    assert alone == old[0]
    assert "continues after step 1 of 2" in said(console)[1]


def test_another_number_of_batches_is_another_run(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """With more batches a step a new run begins; it says which option differs, and the samples."""
    made = lora(meta, tmp_path, models, new_console(), steps=1, batch=2)
    made.unlink()
    console = new_console()

    lora(meta, tmp_path, models, console, steps=1, batch=2, accumulate=2)

    assert said(console)[1] == (
        f"a new run begins; `{made.parent}`, stopped at step 1, is another: `--accumulate` is 1 "
        "there and 2 here\nup to 4 samples a step, 3.0 on average: up to 2 batches of "
        "up to 2\n"
    )


def test_an_option_that_came_later_is_named(meta: Path, tmp_path: Path, models: Models) -> None:
    """At its default it is in no recipe; a run that had it is told with its value all the same.

    A run of another method is another training: nothing is told of it.
    """
    made = lora(meta, tmp_path, models, new_console(), steps=1, min_snr=5.0)
    made.unlink()
    console, other = new_console(), new_console()

    lora(meta, tmp_path, models, console, steps=1)
    config = config_of("loha", steps=1, rank=2, out=tmp_path)
    start.start([meta], config, models, other)

    assert said(console)[1] == (
        f"a new run begins; `{made.parent}`, stopped at step 1, is another: `--min-snr` is 5.0 "
        "there and 0.0 here\n"
    )
    assert "a new run begins" not in said(other)[1]
