"""Single files of every family: as good as the folder they were made of."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import vae, vae_files
from prep.runtime.errors import ModelFileError
from tests.train.narrow import LAYOUT, write_single
from train.families import all_families
from train.families.diffusion_process import Diffusion, diffusion_of
from train.families.ldm_file import LdmFile
from train.families.noise_process import Prediction

NAMES = list(LAYOUT)
_LAST = ("ln_final.bias", "final_layer_norm.bias")
SCALES = {"sd15": 0.18215, "sd2": 0.18215, "sdxl": 0.13025}


@pytest.fixture(scope="module")
def places(
    narrow_base: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[Path, Path, Path]]:
    """A narrow model of each family: its folder, its safetensors file, its `.ckpt`."""
    top = tmp_path_factory.mktemp("narrow")
    found = {}
    for name in NAMES:
        folder = narrow_base(name)
        found[name] = (
            folder,
            write_single(name, folder, top / f"{name}.safetensors"),
            write_single(name, folder, top / f"{name}.ckpt"),
        )
    return found


def _equal(one: Any, two: Any) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_the_folder_it_was_made_of(
    places: Mapping[str, tuple[Path, Path, Path]], name: str
) -> None:
    """From folder, file and `.ckpt` weights, tokens, text states and schedule are equal.

    Between folder and file the last bits of states differ: the libraries leave a folder's weights
    where they lie in it.
    """
    family = all_families()[name]
    assert [one for one in NAMES if all_families()[one].fits(places[name][1])] == [name]
    folder, *files = (family.load(place, "cpu") for place in places[name])
    wanted, *states = (
        family.encode(one, ["a photo of a cat, \u732b"])[0] for one in (folder, *files)
    )
    assert _equal(*states)
    for word, one in wanted.items():
        torch.testing.assert_close(states[0][word], one, rtol=0, atol=1e-5)
    for file in files:
        assert _equal(file.network.state_dict(), folder.network.state_dict())
        for part, encoder in folder.encoders.items():
            assert _equal(file.encoders[part].state_dict(), encoder.state_dict())
        for part, tokenizer in folder.tokenizers.items():
            assert file.tokenizers[part].pad_token == tokenizer.pad_token
        assert torch.equal(file.process.alpha_bar_T, folder.process.alpha_bar_T)
        assert file.process.prediction == folder.process.prediction


@pytest.mark.parametrize("name", NAMES)
def test_diffusers_opens_the_same_file_alike(
    places: Mapping[str, tuple[Path, Path, Path]], name: str
) -> None:
    """The pipeline that diffusers makes of a file has our weights, bit for bit."""
    import diffusers

    folder, file, _ = places[name]
    index = diffusers.DiffusionPipeline.load_config(str(folder))
    kind: Any = getattr(diffusers, index["_class_name"])
    theirs = kind.from_single_file(str(file), config=str(folder), local_files_only=True)
    ours = all_families()[name].load(file, "cpu")

    assert _equal(theirs.unet.state_dict(), ours.network.state_dict())
    for part, encoder in ours.encoders.items():
        assert _equal(getattr(theirs, part).state_dict(), encoder.state_dict())
    coder: Any = vae.open_vae(file, "cpu")
    assert _equal(theirs.vae.state_dict(), coder.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_the_vae_of_a_file_is_the_folder_s(
    places: Mapping[str, tuple[Path, Path, Path]], name: str
) -> None:
    """`prep latents` records the same digest and the kind's own scale, whatever the form."""
    found = [vae_files.numbers(place, "x") for place in places[name]]

    assert found == [found[0]] * 3
    assert (found[0].scaling_factor, found[0].channels) == (SCALES[name], 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_looked_through_without_its_weights(
    places: Mapping[str, tuple[Path, Path, Path]], name: str, tmp_path: Path
) -> None:
    """Nothing is left unread but a stranger in the file, which is named."""
    family = all_families()[name]
    folder, file, _ = places[name]
    odd = write_single(name, folder, tmp_path / "odd.safetensors", strange=torch.zeros(1))

    for place, unread in ((folder, ()), (odd, ("strange",))):
        found = family.outline(place)
        assert found.unread == unread
        assert found.base is not None
        assert all(one.is_meta for one in found.base.network.parameters())
    assert family.layers(file) == family.layers(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_lacks_a_weight_is_refused(
    places: Mapping[str, tuple[Path, Path, Path]], name: str, tmp_path: Path
) -> None:
    """One weight of the last text encoder less, and the file is not opened, nor looked through."""
    from safetensors.torch import load_file, save_file

    layout = all_families()[name].layout
    assert layout is not None
    weights = load_file(places[name][1])
    before = list(layout.encoders.values())[-1]
    lost = next(n for n in weights if n.startswith(before) and n.endswith(_LAST))
    del weights[lost]
    broken = tmp_path / "broken.safetensors"
    save_file(weights, broken)

    for look in (
        all_families()[name].outline,
        lambda place: all_families()[name].load(place, "cpu"),
    ):
        with pytest.raises(ModelFileError) as caught:
            look(broken)
        assert str(caught.value).startswith(f"`{broken}` cannot be opened: Missing key(s)")


def _process(name: str, place: Path) -> Diffusion:
    return LdmFile(LAYOUT[name]).process(place)


def test_a_file_like_noobai_s_is_recognised(
    places: Mapping[str, tuple[Path, Path, Path]], tmp_path: Path
) -> None:
    """`v_pred` and `ztsnr` in a file mean v, a schedule that ends in noise, trailing steps."""
    empty = torch.zeros(0)
    folder = places["sdxl"][0]
    file = write_single("sdxl", folder, tmp_path / "x.safetensors", v_pred=empty, ztsnr=empty)
    facts = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    config = LAYOUT["sdxl"].settings("scheduler") | facts
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))
    wanted = diffusion_of(tmp_path, Prediction.EPSILON)

    found = _process("sdxl", file)

    assert found.prediction is Prediction.V_PREDICTION
    assert found.trailing
    assert found.alpha_bar_T[-1] == 0
    assert torch.equal(found.alpha_bar_T, wanted.alpha_bar_T)
    assert not {"v_pred", "ztsnr"}.intersection(LdmFile(LAYOUT["sdxl"]).unread(file, {}))
    assert _process("sdxl", places["sdxl"][1]).prediction is Prediction.EPSILON


@pytest.mark.parametrize(
    ("word", "value"), [("modelspec.prediction_type", "v"), ("ss_v_parameterization", "True")]
)
def test_metadata_tell_what_a_file_predicts(
    places: Mapping[str, tuple[Path, Path, Path]], tmp_path: Path, word: str, value: str
) -> None:
    """What kohya's scripts and modelspec write of v-prediction is read."""
    from safetensors.torch import load_file, save_file

    for name in NAMES:
        file = tmp_path / f"{name}.safetensors"
        save_file(load_file(places[name][1]), file, {word: value})
        assert _process(name, file).prediction is Prediction.V_PREDICTION


def test_stable_diffusion_2_is_known_by_a_weight(
    places: Mapping[str, tuple[Path, Path, Path]], tmp_path: Path
) -> None:
    """Of SD 2.x without a mark wide biases mean v, as ComfyUI takes it; narrow ones noise."""
    from safetensors.torch import load_file, save_file

    weights = load_file(places["sd2"][1])
    name = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    weights[name] = 0.2 * torch.randn(32, generator=torch.Generator().manual_seed(0))
    file = tmp_path / "v.safetensors"
    save_file(weights, file)
    torch.save({"state_dict": weights}, tmp_path / "v.ckpt")

    assert _process("sd2", file).prediction is Prediction.V_PREDICTION
    assert _process("sd2", tmp_path / "v.ckpt").prediction is Prediction.V_PREDICTION
    assert _process("sd2", places["sd2"][1]).prediction is Prediction.EPSILON


def test_a_file_of_another_schedule_is_refused(
    places: Mapping[str, tuple[Path, Path, Path]], tmp_path: Path
) -> None:
    """What was trained on EDM's noise would be trained wrongly: two lines."""
    file = write_single(
        "sdxl", places["sdxl"][0], tmp_path / "x.safetensors", edm_mean=torch.zeros(1, 4)
    )

    with pytest.raises(ModelFileError) as caught:
        all_families()["sdxl"].outline(file)

    assert (str(caught.value), caught.value.hint) == (
        f"`{file}` was trained on another schedule of noise, EDM: it has `edm_mean`",
        "name another base model",
    )


def test_a_file_for_inpainting_is_refused(
    places: Mapping[str, tuple[Path, Path, Path]], tmp_path: Path
) -> None:
    """A U-Net of nine channels is named before anything is trained."""
    from safetensors.torch import load_file, save_file

    weights = load_file(places["sd15"][1])
    weights["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(32, 9, 3, 3)
    file = tmp_path / "x.safetensors"
    save_file(weights, file)

    with pytest.raises(ModelFileError) as caught:
        all_families()["sd15"].outline(file)

    assert (str(caught.value), caught.value.hint) == (
        f"the U-Net in `{file}` takes 9 channels, one that draws from text alone 4",
        "name a base model that is not made for inpainting",
    )
