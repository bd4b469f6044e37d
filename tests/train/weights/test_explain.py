import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ModelFileError
from tests.train.runs import new_console
from tests.train.weights.hostile import pair
from train.block_rates import weights_of
from train.convert.low_rank import Cut
from train.convert.merging import MergeWish, merge
from train.convert.resizing import resize
from train.methods import config_of
from train.run import decide, start
from train.weights.block_weights import adapter, write_weighted
from train.weights.explain import explain


@pytest.fixture
def made(meta: Path, tmp_path: Path, models: Models) -> Path:
    """A LoRA of three steps."""
    config = config_of(steps=3, rank=4, alpha=2.0, out=tmp_path / "runs", name="toy")
    return start.start([meta], config, models, Console(level=0))


def _told(path: Path, json: bool = False) -> str:
    out = io.StringIO()
    explain(path, Console(json=json, out=out, err=out))
    return out.getvalue()


def test_the_certificate_is_told(made: Path, base: Path) -> None:
    """File, trigger, base, settings, program and every picture, one line each."""
    chosen = json.loads((made.parent / "config.json").read_text())

    told = _told(made).splitlines()

    assert told[:8] == [
        "toy.safetensors: a LoRA of rank 4 and alpha 2.0, 48 modules",
        "tensors: as they were written",
        "words that call it: mascot",
        f"base model: {base.name} (stable-diffusion-v1)",
        "trained: 3 steps of 1, learning rate 0.0001 (constant), seed 0",
        f"base model's digest: {chosen['base_digest']}",
        f"made by: prep-and-train {decide.program_version()}, recipe {chosen['recipe']}",
        "pictures: 6, kept for validation: 0",
    ]
    assert len(told) == 14
    assert told[8].startswith("  0.png  sha256 000000000000  seen ")
    assert told[8].endswith("  mascot, pose 0")


def test_json_holds_everything(made: Path) -> None:
    """With `--json` the metadata and the whole certificate come as one object."""
    found = json.loads(_told(made, json=True))

    assert found["metadata"]["ss_output_name"] == "toy"
    assert len(found["certificate"]["samples"]) == 6


def test_a_flipped_bit_is_told(made: Path) -> None:
    """Row 52: no loader notices a changed number; `train explain` does."""
    data = bytearray(made.read_bytes())
    data[-1] ^= 1
    made.write_bytes(data)

    assert "tensors: NOT those that were written" in _told(made)


TORN = "1 tensor is not applied, a pair of a LoRA that is not whole: `lora_unet_a.lora_down.weight`"


def test_another_program_s_lora_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    """A LoRA without a certificate shows what its metadata say, and says what is missing."""
    from safetensors.torch import save_file

    file = tmp_path / "x.safetensors"
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(1)}, file, {"ss_network_dim": "8"})

    assert _told(file).splitlines() == [
        "x.safetensors: a LoRA of rank 8 and alpha ?, 1 module",
        TORN,
        "no certificate: another program made it",
    ]


@pytest.mark.parametrize(
    ("passes", "told"),
    [
        (None, "5 steps of up to 8,"),
        ("1", "5 steps of up to 8,"),
        ("2", "5 steps of up to 8 samples (up to 2 batches of up to 4),"),
    ],
)
def test_the_batches_of_a_step_are_told(tmp_path: Path, passes: str | None, told: str) -> None:
    """Whoever made it: the samples of a step, and in how many batches they were taken."""
    from safetensors.torch import save_file

    file = tmp_path / "x.safetensors"
    said = {"ss_steps": "5", "ss_total_batch_size": "8", "ss_batch_size_per_device": "4"}
    said |= {"ss_gradient_accumulation_steps": passes} if passes else {}
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(1)}, file, said)

    assert f"trained: {told}" in _told(file)


def test_the_samples_of_a_step_are_those_that_were_shown(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Of three batches of two, a step of two and one of what is left: three samples on average."""
    config = config_of(steps=2, batch=2, accumulate=2, rank=2, out=tmp_path / "runs", name="toy")
    made = start.start([meta], config, models, Console(level=0))

    told = "trained: 2 steps of 3.0 samples on average (up to 2 batches of up to 2), learning rate "
    assert told in _told(made)


def test_what_is_no_lora_is_told(tmp_path: Path, base: Path) -> None:
    """Weights of no known kind, another file, or none at all: two lines each."""
    from safetensors.torch import save_file

    weather, index = tmp_path / "weather.safetensors", base / "model_index.json"
    save_file({"tomorrow": torch.zeros(1)}, weather)
    for path, message in (
        (weather, f"`{weather}` is a file of weights of another kind"),
        (index, f"`{index}` is no file of weights by its name"),
        (tmp_path / "no", f"there is no `{tmp_path / 'no'}`"),
    ):
        with pytest.raises(ModelFileError) as caught:
            explain(path, Console())
        assert str(caught.value) == message
        assert caught.value.hint


def _foreign(folder: Path) -> Path:
    """Write a LoRA as kohya's scripts do with a dataset config, and no rank or alpha said."""
    from safetensors.torch import save_file

    word = "lora_unet_input_blocks_4_1_proj_in"
    path = folder / "theirs.safetensors"
    subsets = [
        {"image_dir": "/home/ann/10_sks girl", "img_count": 4, "num_repeats": 10,
         "class_tokens": "sks girl"},
        {"image_dir": "/home/ann/reg", "img_count": 9, "num_repeats": 1, "is_reg": True},
    ]  # fmt: skip
    said = {
        "ss_datasets": json.dumps([{"subsets": subsets}]),
        "ss_tag_frequency": json.dumps({"a": {"sks girl": 4, "garden": 1}}),
        "ss_steps": "100",
    }
    tensors = {
        f"{word}.lora_down.weight": torch.ones(8, 4),
        f"{word}.lora_up.weight": torch.ones(4, 8),
        f"{word}.alpha": torch.tensor(4.0),
    }
    save_file(tensors, path, said)
    return path


def test_a_foreign_lora_is_told_by_its_tensors(tmp_path: Path) -> None:
    """Rank and alpha, base model, words and pictures, as far as tensors and metadata go."""
    assert _told(_foreign(tmp_path)).splitlines() == [
        "theirs.safetensors: a LoRA of rank 8 and alpha 4, 1 module",
        "words that call it: sks girl (of its folders of pictures)",
        "base model: not named; one of Stable Diffusion XL, as it looks",
        "trained: 100 steps of up to ?, learning rate ? (?), seed ?",
        "pictures: 4 in 1 folder, 40 in an epoch",
        "  10_sks girl: 4 pictures, 10 times an epoch",
        "words of its captions: 2, the most frequent: sks girl (4), garden (1)",
        "no certificate: another program made it",
    ]


def test_a_lora_of_other_names_is_told(tmp_path: Path) -> None:
    """Those of peft, no alpha: it acts as one of the rank, and what is not applied is named."""
    from safetensors.torch import save_file

    before = "base_model.model.mid_block.attentions.0.proj_in.lora_"
    path = tmp_path / "p.safetensors"
    save_file({f"{before}{one}.weight": torch.ones(4, 4) for one in "AB"}, path)

    assert _told(path).splitlines() == [
        "p.safetensors: a LoRA of rank 4 and alpha 4, as none is said, 1 module, in peft's names",
        f"2 tensors are not applied, a LoRA in another layout: the first is `{before}A.weight`",
        "no certificate: another program made it",
    ]


def test_alphas_are_told_wherever_they_stand(tmp_path: Path) -> None:
    """In diffusers' metadata; by tensors, where metadata say `Dynamic`, as kohya's tools do."""
    from safetensors.torch import save_file

    names = [f"unet.mid_block.attentions.0.{one}" for one in ("proj_in", "proj_out")]
    pairs = {f"{name}.lora_{one}.weight": torch.ones(4, 4) for name in names for one in "AB"}
    config = {"unet.r": 4, "unet.lora_alpha": 2, "unet.alpha_pattern": {names[1][5:]: 8}}
    diffusers, resized = tmp_path / "d.safetensors", tmp_path / "r.safetensors"
    save_file(pairs, diffusers, {"lora_adapter_metadata": json.dumps(config)})
    word = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {f"{word}.lora_{one}.weight": torch.ones(4, 4) for one in ("down", "up")}
    tensors[f"{word}.alpha"] = torch.tensor(3.0)
    save_file(tensors, resized, {"ss_network_dim": "Dynamic", "ss_network_alpha": "Dynamic"})

    assert "of rank 4 and alpha 2 to 8, 2 modules" in _told(diffusers)
    assert "of rank 4 and alpha 3, 1 module" in _told(resized)


PERSONAL = ("ann", "sks", "girl", "garden", "toy", "mascot", "pose", "png", "base0", "theirs")


@pytest.mark.parametrize("as_json", [False, True])
def test_private_tells_no_word_of_a_person(made: Path, tmp_path: Path, as_json: bool) -> None:
    """No caption, name, path or trigger, of a file of ours or another's: digests and numbers."""
    for path in (made, _foreign(tmp_path)):
        out = io.StringIO()
        explain(path, Console(2, as_json, out, out), private=True)
        told = re.sub(r"[0-9a-f]{8,64}", "", out.getvalue())
        assert [word for word in PERSONAL if word in told] == []
    born = json.loads(_told(made, json=True))["certificate"]
    assert born["base"] == "base0"
    out = io.StringIO()
    explain(made, Console(2, False, out, out), private=True)
    lines = out.getvalue().splitlines()
    assert [line for line in lines if " seen " in line] == [
        f"  sha256 {row['sha256']}  seen {row['seen']}" for row in born["samples"].values()
    ]


def test_whole_models_and_parts_are_told(
    made: Path, base: Path, narrow_base: Callable[[str], Path], tmp_path: Path
) -> None:
    """A folder with a certificate tells it; a single file, a part of a folder what they are."""
    from tests.train.narrow import write_single
    from train.adapters.lora_metadata import BORN

    folder = tmp_path / "tuned"
    shutil.copytree(base, folder)
    said = json.loads(_told(made, json=True))["metadata"]
    (folder / BORN).write_text(json.dumps(said))
    single = write_single("sd15", narrow_base("sd15"), tmp_path / "m.safetensors")
    part = base / "unet" / "diffusion_pytorch_model.safetensors"
    none = "no certificate: another program made it"

    lines = _told(folder).splitlines()

    assert lines[0] == "tuned: a diffusers folder of a Stable Diffusion 1.x model"
    assert "pictures: 6, kept for validation: 0" in lines
    assert _told(single).splitlines() == ["m.safetensors: a Stable Diffusion 1.x model", none]
    assert _told(part).splitlines() == [f"{part.name}: a U-Net", none]


def test_what_was_made_of_others_tells_of_them(tmp_path: Path, models: Models) -> None:
    """Of a merged, a smaller and a weighted file: the sources, and how many were certified."""
    said = {"ss_base_model_version": "sd_v1", "ss_session_id": "r1"}
    (tmp_path / "a.safetensors").write_bytes(pair(said=said))
    (tmp_path / "b.safetensors").write_bytes(pair(said=said | {"prep_certificate": "{}"}))
    out, small = tmp_path / "out.safetensors", tmp_path / "small.safetensors"
    merge([f"{tmp_path / 'a.safetensors'}", f"{tmp_path / 'b.safetensors'}:-0.5"],
          MergeWish(out), models, new_console())  # fmt: skip
    resize(tmp_path / "a.safetensors", small, Cut(rank=1), new_console())
    write_weighted(adapter(small), weights_of("IN=0.5"), None, new_console())
    none = "no certificate: what it was made of has none"

    assert _told(out).splitlines()[3:] == [
        "merged of 2 files:",
        "  a.safetensors x 1, recipe r1",
        "  b.safetensors x -0.5, recipe r1",
        "certificates of its sources: 1, in its metadata",
    ]
    assert _told(small).splitlines()[3:] == [
        "resized of 1 file, rank 1:", "  a.safetensors, recipe r1", none,
    ]  # fmt: skip
    weighted = tmp_path / "small-blocks.safetensors"
    assert _told(weighted).splitlines()[-2:] == ["its blocks were weighted: IN=0.5", none]
    hidden = io.StringIO()
    explain(out, Console(2, False, hidden, hidden), private=True)
    assert "safetensors" not in hidden.getvalue()
    assert "merged of 2 files:" in hidden.getvalue()
