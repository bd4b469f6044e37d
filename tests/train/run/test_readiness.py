"""`train check` and `train lora` over one table of settings and folders: both say the same."""

import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.dataset import dataset_file
from prep.models import safetensors_file
from prep.models.locate import Ask, Models
from prep.runtime.errors import ConfigError
from prep.runtime.lock import hold
from train.cli.app import main
from train.data.dataset import TrainingSample
from train.families import all_families
from train.methods import config_of
from train.run import decide, notes, probe, readiness, recipe_versions, run_checks, text_notes
from train.run.probe_memory import looked_through

Make = Callable[["Place"], list[str]]
Answer = tuple[int, list[str]]


class Place:
    """A person's folder for one row: a dataset, its base model, and what the row breaks in them."""

    def __init__(self, top: Path, base: Path, meta: Path, patch: pytest.MonkeyPatch) -> None:
        self.top, self.meta, self.patch = top, meta, patch
        self.source, self.base = base, top / "base"
        self.exit: list[Any] = []

    def own_base(self) -> Path:
        """Return a copy of the base model that may be broken."""
        return shutil.copytree(self.source, self.base)

    def change(self, key: str | None = None, **values: Any) -> None:
        """Write the dataset anew with other fields, or with those of one sample."""
        found = dataset_file.load(self.meta)
        if key is None:
            found = replace(found, **values)
        else:
            samples = {**found.samples, key: replace(found.samples[key], **values)}
            found = replace(found, samples=samples)
        self.meta.write_bytes(dataset_file.dump(found))

    def prompts(self, text: str) -> list[str]:
        """Return the option for a file of prompts with this text."""
        (self.top / "p.txt").write_text(text)
        return ["--prompts", str(self.top / "p.txt")]

    def decided(self, *words: str) -> decide.Run:
        """Return the run that the row's plain settings ask for."""
        from prep.models.locate import Models

        config = config_of(steps=2, rank=2, out=self.top / "runs", **json.loads(words[0] or "{}"))
        return decide.decide([self.meta], config, Models(self.top / "home", offline=True))


def _no_words(place: Place) -> list[str]:
    for number in range(6):
        place.change(f"{number}.png", tags=())
    return []


def _cut_latents(place: Place) -> list[str]:
    path = place.meta.parent / "images/.prep/latents/0.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    return []


def _no_latents(place: Place) -> list[str]:
    (place.meta.parent / "images/.prep/latents/0.safetensors").unlink()
    return []


def _other_vae(place: Place) -> list[str]:
    vae = dataset_file.load(place.meta).vae
    assert vae is not None
    place.change(vae=replace(vae, scaling_factor=0.13025))
    return []


def _base_without(part: str) -> Make:
    def broken(place: Place) -> list[str]:
        (place.own_base() / part).unlink()
        return ["--base", str(place.base)]

    return broken


def _base_with(part: str, data: bytes) -> Make:
    def broken(place: Place) -> list[str]:
        (place.own_base() / part).write_bytes(data)
        return ["--base", str(place.base)]

    return broken


def _base_lacks_a_weight(place: Place) -> list[str]:
    from safetensors.torch import load_file, save_file

    file = place.own_base() / "unet/diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["conv_in.bias"]
    save_file(tensors, file, {"format": "pt"})
    return ["--base", str(place.base)]


def _base_of_another_shape(place: Place) -> list[str]:
    from safetensors.torch import load_file, save_file

    file = place.own_base() / "text_encoder/model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("final_layer_norm.weight"))
    save_file(tensors | {name: torch.ones(3)}, file, {"format": "pt"})
    return ["--base", str(place.base)]


def _base_is_a_lora(place: Place) -> list[str]:
    one = safetensors_file.Packed("F32", (1,), bytes(4))
    (place.top / "x.safetensors").write_bytes(
        safetensors_file.dump({"lora_unet_x.lora_down.weight": one})
    )
    return ["--base", str(place.top / "x.safetensors")]


def _no_cuda(place: Place) -> list[str]:
    place.patch.setattr(torch.cuda, "is_available", lambda: False)
    return ["--device", "cuda"]


def _no_room(place: Place) -> list[str]:
    usage = namedtuple("usage", "total used free")
    place.patch.setattr("shutil.disk_usage", lambda _: usage(10, 9, 1000))
    return []


def _out_is_a_file(place: Place) -> list[str]:
    (place.top / "file").write_text("x")
    return ["--out", str(place.top / "file" / "deep")]


def _out_is_locked(place: Place) -> list[str]:
    return ["--out", "/proc/nowhere"]


def _held(place: Place) -> list[str]:
    decided = place.decided("")
    block = hold(decided.checkpoints, decided.folder, "train")
    block.__enter__()
    place.exit.append(block)
    return []


def _another_export(place: Place) -> list[str]:
    target = place.decided("").export
    target.parent.mkdir(parents=True)
    target.write_bytes(safetensors_file.dump({}, {"ss_session_id": "another"}))
    return []


def _saved(place: Place, steps: int = 2, **more: str) -> Path:
    """Return the checkpoint of a run that was stopped after so many steps."""
    words = [f"--{word.replace('_', '-')}={value}" for word, value in more.items()]
    _said(["lora", str(place.meta), "--out", str(place.top / "runs"), "--rank=2", *words,
           f"--steps={steps}"])  # fmt: skip
    (made,) = (place.top / "runs").glob("*/images.safetensors")
    made.unlink()
    return next((made.parent / "checkpoints").glob("step-*"))


def _too_far(place: Place) -> list[str]:
    _saved(place, 4)
    return []


def _torn(place: Place) -> list[str]:
    (_saved(place, 1) / "weights.safetensors").write_bytes(b"x")
    return []


def _newer_checkpoint(place: Place) -> list[str]:
    manifest = _saved(place, 1) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    return []


def _other_version(place: Place) -> list[str]:
    place.change(
        concepts={"toy": replace(dataset_file.load(place.meta).concepts["toy"], repeats=2)}
    )
    place.patch.setattr(recipe_versions, "_is_newer", lambda config, data: False)
    _saved(place, 1, caption_dropout="0.5")
    place.patch.undo()
    _environment(place.patch, place.top)
    return ["--caption-dropout", "0.5"]


def _resume_of_another(place: Place) -> list[str]:
    folder = _saved(place, 1, seed="5").parents[1]
    return ["--resume", str(folder)]


REFUSED: dict[str, tuple[int, Make, str]] = {
    "no texts at all": (1, _no_words, "none of the 6 samples of `meta_lat.json` has a text"),
    "damaged latents": (1, _cut_latents, "the latents of `0.png` are damaged"),
    "missing latents": (1, _no_latents, "the latents of 1 of 6 samples of `meta_lat.json` are mis"),
    "VAE of another scale": (1, _other_vae, "latent space than that of"),
    "no such base": (1, lambda _: ["--base", "./nowhere"], "there is no base model at `./nowhere`"),
    "base on no hub": (1, lambda _: ["--base", "no/body"], "the base `no/body` is not on this mac"),
    "base is a LoRA": (1, _base_is_a_lora, "is a LoRA, not a base model of a known family"),
    "base without its VAE": (
        1, _base_without("vae/diffusion_pytorch_model.safetensors"), "has no `vae/diffusion_pyt"),
    "base lacks a weight": (1, _base_lacks_a_weight, "lacks 1 weight, the first is `conv_in.b"),
    "base of another shape": (1, _base_of_another_shape, "does not fit its config: `final_layer_"),
    "base's config is no JSON": (1, _base_with("text_encoder/config.json", b"{"), "cannot be used"),
    "base's schedule is odd": (
        1, _base_with("scheduler/scheduler_config.json", b"[]"), "is not a noise schedule"),
    "base's tokenizer is broken": (
        1, _base_with("tokenizer/tokenizer.json", b"{"), "the tokenizer in"),
    "base is cut": (
        1, _base_with("unet/diffusion_pytorch_model.safetensors", b"\1" * 90), "is damaged"),
    "no file of prompts": (1, lambda _: ["--prompts", "p.txt"], "prompts `p.txt` is not there"),
    "prompts are a folder": (1, lambda p: ["--prompts", str(p.top)], "is not a file"),
    "broken prompts": (1, lambda p: p.prompts("a --w 7\nb --zz 3\n"), "line 1: `--w 7` is wrong"),
    "no prompt": (1, lambda p: p.prompts("# nothing\n"), "holds no prompt"),
    "no bitsandbytes": (1, lambda _: ["--optimizer", "AdamW8bit"], "needs `bitsandbytes`, which i"),
    "no xformers": (1, lambda _: ["--attention", "xformers"], "needs `xformers`, which is not ins"),
    "fp16 on a CPU": (1, lambda _: ["--precision", "fp16"], "`--precision fp16` needs a GPU"),
    "no CUDA": (1, _no_cuda, "no CUDA device can be used"),
    "clip skip too large": (
        1, lambda _: ["--clip-skip", "3"], "`--clip-skip` is 3, and the text encoder of"),
    "no room": (1, _no_room, "MB on the disk of"),
    "out is below a file": (1, _out_is_a_file, "is a file, not a folder"),
    "out cannot be written": (1, _out_is_locked, "`/proc` cannot be written"),
    "held": (5, _held, "is held by `train"),
    "another export in its place": (1, _another_export, "is not the export of this run"),
    "has gone further": (1, _too_far, "has done 4 steps already, and 2 are asked for"),
    "no checkpoint is whole": (1, _torn, "none of the 1 checkpoint in"),
    "checkpoint of another version": (1, _newer_checkpoint, "was saved by another version"),
    "run of another version": (1, _other_version, "was begun by another version of this program"),
    "resume of another run": (1, _resume_of_another, "is another run: `--seed` is 5 there and 0"),
    "the warm-up is too long": (1, lambda _: ["--warmup", "9"], "`--warmup` is 9, and the run has"),
    "no such method of a schedule": (
        2, lambda _: ["--schedule", "falling"], "`--schedule` is `falling`"),
    "rank nought": (2, lambda _: ["--rank", "0"], "`--rank` is 0"),
    "steps and epochs": (2, lambda _: ["--epochs", "1"], "`--epochs` and `--steps` are both given"),
}  # fmt: skip


def _environment(patch: pytest.MonkeyPatch, top: Path) -> None:
    patch.setenv("XDG_DATA_HOME", str(top / "home"))
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.chdir(top)


def _said(words: list[str], read: Callable[[], str] = str) -> Answer:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, read().splitlines()


@pytest.fixture
def place(tmp_path: Path, base: Path, meta: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A dataset and a base model that a run would succeed with."""
    _environment(monkeypatch, tmp_path)
    monkeypatch.setattr(run_checks, "find_spec", lambda package: None)  # no optional package
    return Place(tmp_path, base, meta, monkeypatch)


def _both(place: Place, words: list[str], capsys: pytest.CaptureFixture[str]) -> list[Answer]:
    capsys.readouterr()
    out = [] if "--out" in words else ["--out", str(place.top / "runs")]
    usual = [str(place.meta), "--steps", "2", "--rank", "2", *out, *words]
    return [
        _said([command, *usual], lambda: capsys.readouterr().err) for command in ("check", "lora")
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_check_and_lora_refuse_in_the_same_words(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Case F2: what `train lora` refuses, `train check` refuses: same code, same two lines."""
    code, make, told = REFUSED[name]
    words = make(place)
    before = sorted((place.top / "runs").rglob("*"))
    try:
        check, lora = _both(place, words, capsys)
        after = sorted((place.top / "runs").rglob("*"))
    finally:
        for block in place.exit:
            block.__exit__(None, None, None)

    assert check == lora
    assert check[0] == code
    assert check[1][0].startswith("error: ")
    assert told in check[1][0]
    assert check[1][1].startswith("hint: ")
    assert after == before


def _long(place: Place) -> list[str]:
    place.change("0.png", tags=("a " * 230,))
    return []


def _sister(place: Place) -> list[str]:
    vae = dataset_file.load(place.meta).vae
    assert vae is not None
    place.change(vae=replace(vae, digest="0" * 64, name="anime-vae"))
    return []


def _stopped_before(place: Place) -> list[str]:
    _saved(place, 1, seed="5")
    return []


_LONG = "1 of 6 samples has a text of more than 225 tokens; its end is not trained: `0.png` (230)"
_ANOTHER = (
    "a new run begins; `{runs}/images-{old}`, stopped at step 1, is another: "
    "`--seed` is 5 there and 0 here"
)


def _foreign_tensor(place: Place) -> list[str]:
    from safetensors.torch import load_file, save_file

    file = place.own_base() / "unet/diffusion_pytorch_model.safetensors"
    save_file(load_file(file) | {"controlnet.x": torch.ones(1)}, file, {"format": "pt"})
    return ["--base", str(place.base)]


NAMED: dict[str, tuple[Make, list[str]]] = {
    "nothing": (lambda _: [], []),
    "long texts": (
        _long,
        [_LONG],
    ),
    "latents of a sister VAE": (
        _sister, ["the latents of `meta_lat.json` were made with another VAE: `anime-vae`"]),
    "several batches a step": (
        lambda _: ["--accumulate", "4"],
        ["up to 4 samples a step, 3.0 on average: up to 4 batches of 1"]),
    "a tensor that nothing reads": (
        _foreign_tensor, ["1 tensor in the files of `{base}` is not read: `controlnet.x`"]),
    "an earlier run": (
        _stopped_before,
        [_ANOTHER],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_check_and_lora_name_the_same(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Case F2: what `train lora` tells before it begins, `train check` tells in the same lines."""
    make, told = NAMED[name]
    words = make(place)
    runs = place.top / "runs"
    old = next((path.name[-8:] for path in runs.glob("images-*")), "")

    assert (
        _both(place, words, capsys)
        == [(0, [line.format(runs=runs, old=old, base=place.base) for line in told])] * 2
    )


def test_samples_without_a_text_are_named_by_both(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case F2: what trains without words is told by both in the same lines, and ends in 3."""
    place.change(
        concepts={"toy": replace(dataset_file.load(place.meta).concepts["toy"], trigger="")}
    )
    for number in range(4):
        place.change(f"{number}.png", tags=())
    usual = [str(place.meta), "--steps", "2", "--rank", "2", "--out", str(place.top / "runs")]

    check, lora = (
        _said([command, *usual], lambda: capsys.readouterr().out) for command in ("check", "lora")
    )

    assert (check[0], lora[0]) == (3, 3)
    (told,) = [line for line in lora[1] if "4 of 6 pictures have no text" in line]
    assert told in check[1]


def test_all_that_is_wrong_is_told_at_once(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case F2: mistakes of data, settings and machine come together, each with its hint."""
    (check, lora) = _both(
        place,
        ["--base", "./no", "--optimizer", "adamw8bit", "--prompts", "p.txt"],
        capsys,
    )

    assert check == lora
    assert [line for line in check[1] if line.startswith("error")] == [
        "error: there is no base model at `./no`",
        "error: `--optimizer adamw8bit` needs `bitsandbytes`, which is not installed",
        "error: the file of prompts `p.txt` is not there",
    ]


def test_a_run_that_is_done_needs_nothing(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Case F2: what is trained already is not refused for what a training would need.

    Its pictures are drawn anew where their prompts change: those are looked at as ever.
    """
    words = place.prompts("mascot --s 1\n")
    assert [code for code, _ in _both(place, words, capsys)] == [0, 0]
    place.prompts("mascot --x 1\nhat --ct 8\n")
    broken = _both(place, words, capsys)
    place.prompts("hat --ct 8\n")
    strange = _both(place, words, capsys)

    for told, line in ((broken, "`p.txt` line 1: `--x` is not known"), (strange, "`--ct` says")):
        assert told[0] == told[1]
        assert told[0][0] == 1
        assert told[0][1][0].startswith(f"error: {line}")
    assert _both(place, [], capsys)[1] == (0, [])
    assert _both(place, ["--prompts", "gone.txt"], capsys)[1] == (1, [
        "error: the file of prompts `gone.txt` is not there",
        "hint: name a text file with one prompt a line",
    ])  # fmt: skip


def test_what_another_run_would_lack_is_told_of_one_that_is_done(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a run that is done `train check` tells packages, device and memory; `train lora` none."""
    usual = [str(place.meta), "--steps", "2", "--rank", "2", "--out", str(place.top / "runs")]
    assert _said(["lora", *usual])[0] == 0
    capsys.readouterr()
    more = ["--attention", "xformers", "--log", "tensorboard"]

    code, _ = _said(["check", *usual, *more])
    told = capsys.readouterr()
    plain = _said(["check", *usual], lambda: capsys.readouterr().out)
    lora = _said(["lora", *usual, *more], lambda: capsys.readouterr().err)

    why = "the run is done; another like it would not begin here: "
    assert (code, told.err.splitlines()) == (
        0,
        [
            f"{why}`--attention xformers` needs `xformers`, which is not installed",
            f"{why}`--log tensorboard` needs `tensorboard`, which is not installed",
            f"{why}`--attention xformers` needs a GPU, and this run is on the CPU",
        ],
    )
    assert told.out.splitlines()[-1].endswith(": is done")
    assert [line for line in plain[1] if line.startswith("memory: ")]
    assert lora == (0, [])


def test_the_probe_answers_alike_in_a_process_of_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case F2: `train check` asks another process what a training asks itself: equal answers."""
    import sys

    good = probe.Question(str(place.source), "sd15", "cpu", "fp32", "sdpa", True, ("a", "b c"))
    bad = replace(good, place=str(_broken(place)), precision="fp16")
    wanted = [probe.here(good), probe.here(bad)]
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("PYTHONPATH", str(Path(probe.__file__).parents[2]))

    assert [probe.outside(good), probe.outside(bad)] == wanted
    assert wanted[0] == probe.Answer(
        (), (1, 2), 225, prediction="epsilon", side=64, precision="fp32"
    )
    assert [type(error).__name__ for error in wanted[1].errors()] == [
        "MachineError", "ModelFileError",
    ]  # fmt: skip


def _broken(place: Place) -> Path:
    base = place.own_base()
    (base / "scheduler/scheduler_config.json").write_text("[]")
    return base


def test_long_texts_are_named_up_to_three() -> None:
    """Case F2: of many texts that are too long the first are named, and the others counted."""
    one = TrainingSample("0", "x", ("x",), 1, "", (8, 8), Path("x"), "0", 1, 1.0)
    samples = {f"{n}.png": one for n in range(5)}

    assert text_notes.long_note(samples, {"x": 76}, 75, config_of()) == (
        "5 of 5 samples have texts of more than 75 tokens; their ends are not trained: "
        "`0.png` (76), `1.png` (76), `2.png` (76) and 2 more"
    )
    assert text_notes.long_note(samples, {"x": 75}, 75, config_of()) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Case F2: an output folder that may not be written is refused by both."""
    (place.top / "runs").mkdir(mode=0o500)

    check, lora = _both(place, [], capsys)

    assert check == lora
    assert check[1][0].endswith("runs` cannot be written: Permission denied")


def test_a_form_that_does_not_fit_is_refused_before_prep_works(
    tmp_path: Path, models: Models
) -> None:
    """A model that one file cannot hold is refused where only the settings are known."""
    base = all_families()["sdxl"].tiny.write(tmp_path / "xl")
    config = config_of("finetune", save_as="file", base=str(base), out=tmp_path / "runs")

    with pytest.raises(ConfigError) as caught:
        readiness.check_settings(config, models, probe.here)

    why = "`addition_time_embed_dim` of its U-Net is 8, of a file 256"
    assert (str(caught.value), caught.value.hint) == (
        f"`{base}` cannot be written as one file: {why}", "write a folder: leave out `--save-as`",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "side", "small"),
    [
        ((512, 512), 1024, True), ((512, 1023), 1024, True), ((832, 1216), 1024, False),
        ((768, 704), 1024, False), ((64, 64), 0, False),
    ],
)  # fmt: skip
def test_pictures_that_are_small_for_the_model_are_told(
    size: tuple[int, int], side: int, small: bool
) -> None:
    """Those with less than half the pixels that the base model's config speaks of."""
    width, height = size
    told = (
        f"most pictures train at {width}x{height}, and `xl` was made for 1024x1024: "
        "`prep bucket META --resolution 1024` prepares them so"
    )

    assert notes.size_note(size, side, "xl") == (told if small else None)


def test_what_another_program_remembered_is_asked_again(place: Place, tmp_path: Path) -> None:
    """A damaged answer, and one that lacks what is told today, are as if they were not there."""
    models = Models(tmp_path / "home", offline=True)
    found = models.find(Ask("base", str(place.source)))
    question = probe.Question(str(place.source), "sd15", "cpu", "fp32", "sdpa", texts=("a",))
    asked: list[probe.Question] = []

    def ask(one: probe.Question) -> probe.Answer:
        asked.append(one)
        return probe.here(one)

    first = looked_through(question, found, models, ask)
    known = tmp_path / "home" / "looked-through.json"
    ((mark, answer),) = json.loads(known.read_text()).items()
    for damaged in ({}, {"wrong": []}, None, answer | {"wrong": 3}):
        known.write_text(json.dumps({mark: damaged}))
        assert looked_through(question, found, models, ask) == first
    assert len(asked) == 5
    assert looked_through(question, found, models, ask) == first
    assert len(asked) == 5
