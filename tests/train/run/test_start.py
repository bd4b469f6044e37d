import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Dataset
from prep.models import safetensors_file
from prep.models.locate import Models
from prep.models.vae_files import Vae
from prep.runtime import files
from prep.runtime.errors import MachineError, UserError
from tests.train.runs import new_console, said
from train.config import Config
from train.families import all_families
from train.methods import config_of
from train.run import decide, start

Change = Callable[..., Path]


_KNOWN = f"known: {', '.join(all_families())}"


def _config(tmp_path: Path, **given: object) -> Config:
    return config_of(**{"out": tmp_path / "runs", "steps": 3, "rank": 2} | given)  # type: ignore[arg-type]


def _told(meta: Path, config: Config, models: Models) -> tuple[str, str | None]:
    with pytest.raises(UserError) as caught:
        start.start([meta], config, models, new_console())
    return str(caught.value), caught.value.hint


def _tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_leaves_config_metrics_and_export(
    meta: Path, tmp_path: Path, models: Models, base: Path
) -> None:
    """A run folder is named by name and recipe; the sentence names its export."""
    console = new_console()
    made = start.start([meta], _config(tmp_path, name="toy", alpha=1.0), models, console)

    (folder,) = (tmp_path / "runs").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints", "config.json", "metrics.jsonl", "picture_losses.bin", "progress.jsonl",
        "run_facts.json", "toy.safetensors",
    ]  # fmt: skip
    assert said(console) == (f"trained: {made}\n", "")
    config = json.loads((folder / "config.json").read_text())
    assert folder.name == f"toy-{config['recipe'][:8]}"
    assert (config["alpha"], config["learning_rate"], config["base"]) == (1.0, 1e-4, str(base))
    rows = [json.loads(row) for row in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(row["learning_rate"] == 1e-4 and row["loss"] > 0 for row in rows)
    assert made.stat().st_mode & 0o777 == (folder / "config.json").stat().st_mode & 0o777


def test_the_same_command_does_nothing(meta: Path, tmp_path: Path, models: Models) -> None:
    """Run again, no file changes, not even its time, and it says that all is done."""
    made = start.start([meta], _config(tmp_path), models, new_console())
    before, console = _tree(tmp_path / "runs"), new_console()

    again = start.start([meta], _config(tmp_path), models, console)

    assert again == made
    assert said(console) == (f"already done: {made}\n", "")
    assert _tree(tmp_path / "runs") == before


def test_two_folders_get_the_same_bytes(meta: Path, tmp_path: Path, models: Models) -> None:
    """One recipe gives one file, byte for byte, wherever it is written."""
    one = start.start([meta], _config(tmp_path, batch=2), models, new_console())
    other = _config(tmp_path, batch=2, out=tmp_path / "other")
    two = start.start([meta], other, models, new_console())

    assert one.parent.name == two.parent.name
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ("other",)},
        {"weight": 0.5},
        {"split": "validation"},
        {"digest": "f" * 64},
    ],
)
def test_other_data_is_another_run(
    meta: Path, tmp_path: Path, models: Models, changed: Change, change: dict[str, object]
) -> None:
    """A change to one sample gives another recipe; taken back, the old one returns."""
    before, text = decide.decide([meta], _config(tmp_path), models).recipe, meta.read_bytes()

    changed(meta, "0.png", **change)

    assert decide.decide([meta], _config(tmp_path), models).recipe != before
    meta.write_bytes(text)
    assert decide.decide([meta], _config(tmp_path), models).recipe == before


def test_other_latents_are_another_run(meta: Path, tmp_path: Path, models: Models) -> None:
    """One bit of one latents file decides too."""
    before = decide.decide([meta], _config(tmp_path), models).recipe
    path = meta.parent / "images/.prep/latents/0.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))

    assert decide.decide([meta], _config(tmp_path), models).recipe != before


def test_settings_decide_and_places_do_not(
    meta: Path, tmp_path: Path, models: Models, built_base: Callable[..., Path], base: Path
) -> None:
    """Rank, steps, seed and base model decide; folders, device and where the base lies do not."""
    import shutil

    moved = shutil.copytree(base, tmp_path / "moved")
    other = built_base(tmp_path / "other", seed=1)

    def recipe(**given: object) -> str:
        return decide.decide([meta], _config(tmp_path, **given), models).recipe

    assert recipe() == recipe(device="cpu", out=tmp_path, base=str(moved), name="n")
    others = [{"rank": 3}, {"warmup": 1}, {"seed": 1}, {"learning_rate": 1.0}, {"batch": 2}]
    assert len({recipe(**one) for one in [{}, *others, {"alpha": 1.0}, {"base": str(other)}]}) == 8


def test_steps_decide_only_where_they_bend_the_rate(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """A run at a constant rate can be made longer; a cosine is another one for each length."""

    def recipe(**given: object) -> str:
        return decide.decide([meta], _config(tmp_path, **given), models).recipe

    assert recipe() == recipe(steps=9) == recipe(steps=None, epochs=2)
    assert recipe(schedule="cosine") != recipe(schedule="cosine", steps=9)
    # 6 samples, one a step
    assert recipe(schedule="cosine", steps=None, epochs=2) == recipe(schedule="cosine", steps=12)


def test_another_file_in_the_export_s_place_is_kept(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """A file that this run did not write is never overwritten, and no run is called done for it."""
    config = _config(tmp_path)
    place = decide.decide([meta], config, models).export
    files.write(place, safetensors_file.dump({}, {"ss_session_id": "another"}))

    assert _told(meta, config, models) == (
        f"`{place}` is not the export of this run",
        "move it away, or choose another `--name`",
    )
    assert place.read_bytes() == safetensors_file.dump({}, {"ss_session_id": "another"})


def _with_vae(meta: Path, changed: Change, **given: object) -> None:
    from dataclasses import replace

    found = dataset_file.load(meta).vae
    assert isinstance(found, Vae)
    changed(meta, vae=replace(found, **given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "described"),
    [
        (
            {"scaling_factor": 0.13025},
            "that of Stable Diffusion XL (4 channels, 1/8, scale 0.13025)",
        ),
        (
            {"scaling_factor": 0.7, "shift_factor": -0.1},
            "one of no known model (4 channels, 1/8, scale 0.7, shift -0.1)",
        ),
    ],
)
def test_latents_of_another_space_are_refused(
    meta: Path, tmp_path: Path, models: Models, changed: Change, base: Path,
    given: dict[str, float], described: str,
) -> None:  # fmt: skip
    """Latents for another latent space than the base model's are refused; both are named."""
    _with_vae(meta, changed, **given)

    assert _told(meta, _config(tmp_path), models) == (
        (
            f"the latents of `meta_lat.json` are of another latent space than that of `{base}`: "
            f"{described}, not that of Stable Diffusion 1.x and 2.x "
            "(4 channels, 1/8, scale 0.18215)"
        ),
        f"make them with its own VAE: `prep latents META --model {base}`",
    )
    assert not (tmp_path / "runs").exists()


def test_latents_of_a_sister_vae_are_named(
    meta: Path, tmp_path: Path, models: Models, changed: Change
) -> None:
    """Where only the VAE's weights differ, training goes on and says so in one line."""
    _with_vae(meta, changed, digest="0" * 64, name="anime-vae")
    console = new_console()

    made = start.start([meta], _config(tmp_path, steps=1), models, console)

    assert said(console) == (
        f"trained: {made}\n",
        "the latents of `meta_lat.json` were made with another VAE: `anime-vae`\n",
    )


def test_too_long_texts_are_counted(
    meta: Path, tmp_path: Path, models: Models, changed: Change
) -> None:
    """Row 28: a text that is cut is trained on all the same, and said in one line."""
    changed(meta, "0.png", tags=("a " * 230,))
    console = new_console()

    start.start([meta], _config(tmp_path, steps=1), models, console)

    assert said(console)[1] == (
        "1 of 6 samples has a text of more than 225 tokens; its end is not trained: `0.png` (230)\n"
    )


def test_a_dataset_without_a_base_model(
    meta: Path, tmp_path: Path, models: Models, changed: Change
) -> None:
    """Where neither the dataset nor the person names a base model, the option is named."""
    changed(meta, base=None)

    assert _told(meta, _config(tmp_path), models) == (
        "`meta_lat.json` names no base model",
        "name one: `--base` and a folder, a single file, a hub id or `tiny`",
    )


def test_a_base_model_that_is_not_there(meta: Path, tmp_path: Path, models: Models) -> None:
    """A folder that does not exist, and a hub id without a network, are two lines each."""
    assert _told(meta, _config(tmp_path, base="./nowhere"), models) == (
        "there is no base model at `./nowhere`",
        "name a folder, a single file, a hub id `owner/name`, or `tiny`",
    )
    message, hint = _told(meta, _config(tmp_path, base="nobody/nothing"), models)
    assert message == "the base `nobody/nothing` is not on this machine and cannot be downloaded"
    assert "unet/diffusion_pytorch_model.safetensors" in (hint or "")


def test_a_base_model_of_an_unknown_family(meta: Path, tmp_path: Path, models: Models) -> None:
    """A folder that is another kind of model is refused with the families that are known."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "model_index.json").write_text('{"_class_name": "OtherPipeline"}')

    assert _told(meta, _config(tmp_path, base=str(other)), models) == (
        f"`{other}` is not a base model of a known family",
        _KNOWN,
    )


def test_a_base_model_that_lacks_a_part(
    meta: Path, tmp_path: Path, models: Models, base: Path
) -> None:
    """A part that is not there is named before anything heavy is loaded."""
    import shutil

    part = shutil.copytree(base, tmp_path / "part")
    (part / "unet/diffusion_pytorch_model.safetensors").unlink()

    assert _told(meta, _config(tmp_path, base=str(part)), models) == (
        f"`{part}` has no `unet/diffusion_pytorch_model.safetensors`",
        "fetch it again, with every part of a diffusers folder as safetensors",
    )


def test_a_single_file_as_a_base_model(meta: Path, tmp_path: Path, models: Models) -> None:
    """Row 50: a `.ckpt` that is no checkpoint, and a file of no known kind, are told."""
    pickled, single = tmp_path / "a.ckpt", tmp_path / "a.safetensors"
    pickled.write_bytes(b"x")
    single.write_bytes(safetensors_file.dump({}))

    assert _told(meta, _config(tmp_path, base=str(pickled)), models)[0] == (
        f"`{pickled}` is not a whole `.ckpt` file"
    )
    assert _told(meta, _config(tmp_path, base=str(single)), models)[0] == (
        f"`{single}` is a file of weights of another kind, not a base model of a known family"
    )


@pytest.mark.parametrize(
    ("tensor", "what"),
    [
        ("lora_unet_x.lora_down.weight", "a LoRA"),
        ("something.else", "a file of weights of another kind"),
    ],
)
def test_a_wrong_file_as_a_base_model(
    meta: Path, tmp_path: Path, models: Models, tensor: str, what: str
) -> None:
    """A LoRA, or a model of another family, in the base model's place is told as what it is."""
    file = tmp_path / "a.safetensors"
    file.write_bytes(
        safetensors_file.dump({tensor: safetensors_file.Packed("F32", (1,), bytes(4))})
    )

    assert _told(meta, _config(tmp_path, base=str(file)), models) == (
        f"`{file}` is {what}, not a base model of a known family",
        _KNOWN,
    )


def test_a_dataset_without_concepts_trains(
    meta: Path, tmp_path: Path, models: Models, changed: Change
) -> None:
    """Samples without a concept are counted under the LoRA's name."""
    for number in range(6):
        changed(meta, f"{number}.png", concept="")
    changed(meta, concepts=Dataset(".", {}).concepts)

    made = start.start([meta], _config(tmp_path, name="n", steps=1), models, new_console())

    counts = json.loads(safetensors_file.header(made).metadata["ss_tag_frequency"])
    assert counts == {"n": {"mascot": 6, "pose 0": 3, "pose 1": 3}}


def test_a_full_disk_leaves_nothing_torn(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 59: where the disk is full at the export, it is said, and no part of a file is left."""
    import errno

    config = _config(tmp_path)
    real = Path.open

    def full(path: Path, *words: object, **more: object) -> object:
        # the last file of a run: a checkpoint is there, and no folder of one is around it
        if path.name.startswith(files.SCRATCH) and any(path.parent.glob("checkpoints/step-*")):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *words, **more)  # type: ignore[call-overload]

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        message, hint = _told(meta, config, models)
    place = decide.decide([meta], config, models).export

    assert message == f"`{place}` cannot be written: No space left on device"
    assert hint == "free some space, then run the same command: it goes on where it stopped"
    assert not list(place.parent.glob(f"{files.SCRATCH}*"))
    assert not place.exists()
    assert start.start([meta], config, models, new_console()) == place


def test_what_reads_back_otherwise_is_not_published(tmp_path: Path) -> None:
    """An export that the disk gives back changed is refused and never gets its name."""
    from train.export import lora_file

    given = {"a": torch.ones(2)}
    (tmp_path / "x").write_bytes(
        safetensors_file.dump(
            {"a": safetensors_file.Packed("F32", (2,), torch.zeros(2).numpy().tobytes())}
        )
    )

    with pytest.raises(MachineError, match=r"^the export reads back as other numbers$"):
        lora_file.check_same(tmp_path / "x", given)
