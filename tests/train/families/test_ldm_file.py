import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import vae, vae_files
from prep.models.file_layouts import LAYOUTS, Layout
from prep.models.file_widths import config
from prep.models.locate import Models
from prep.models.tokenizer import shipped_tokenizer
from prep.runtime.console import Console
from prep.runtime.errors import ModelFileError, UserError
from tests.train.narrow import write_single
from train.families import all_families
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run import start


@pytest.fixture(scope="module")
def narrow(narrow_base: Callable[[str], Path]) -> Path:
    """A narrow model's folder; never changed."""
    return narrow_base("sd15")


@pytest.fixture(scope="module")
def single(narrow: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model in one safetensors file."""
    return write_single("sd15", narrow, tmp_path_factory.mktemp("single") / "model.safetensors")


@pytest.fixture(scope="module")
def ckpt(narrow: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model in one `.ckpt` file."""
    return write_single("sd15", narrow, tmp_path_factory.mktemp("ckpt") / "model.ckpt")


def _equal(one: Any, two: Any) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_the_vae_s_digest_is_one_for_folder_and_files(
    narrow: Path, single: Path, ckpt: Path, tmp_path: Path
) -> None:
    """A dataset records the same VAE whether it was read from a folder, a file, or alone."""
    from safetensors.torch import load_file, save_file

    inner = {
        name.removeprefix("first_stage_model."): value
        for name, value in load_file(single).items()
        if name.startswith("first_stage_model.")
    }
    alone = tmp_path / "vae.safetensors"
    save_file(inner, alone)

    found = [vae_files.numbers(place, "x") for place in (narrow, single, ckpt, alone)]

    assert found == [found[0]] * 4
    assert (found[0].scaling_factor, found[0].shift_factor, found[0].channels) == (0.18215, 0, 4)


def test_latents_are_the_same_from_folder_and_files(narrow: Path, single: Path, ckpt: Path) -> None:
    """`prep latents` computes the same bits with a folder's VAE and with a single file's."""
    from PIL import Image

    picture = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB")

    made = [
        vae.dump(one)
        for place in (narrow, single, ckpt)
        for one in vae.encode(vae.open_vae(place, "cpu"), [picture])
        if one is not None
    ]

    assert made == [made[0]] * 3


def test_a_lora_is_trained_on_a_single_file(
    narrow: Path,
    single: Path,
    ckpt: Path,
    tmp_path: Path,
    models: Models,
    built_dataset: Callable[..., Path],
) -> None:
    """`--base FILE` trains on both kinds of file alike: the LoRA's tensors are equal."""
    from safetensors.torch import load_file

    meta = built_dataset(tmp_path / "data", narrow)
    made = [
        load_file(
            start.start(
                [meta],
                config_of(base=str(base), steps=2, rank=2, out=tmp_path / name),
                models,
                Console(level=0),
            )
        )
        for name, base in (("file", single), ("ckpt", ckpt))
    ]

    assert _equal(*made)
    assert any(value.any() for name, value in made[0].items() if name.endswith("up.weight"))


def test_names_are_the_whole_networks(narrow: Path) -> None:
    """Every tensor of the real networks has one name in a file, and comes back from it."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from prep.models import ldm_names

    for part, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        model: Any = kind
        names = list(model.from_pretrained(narrow / part).state_dict())
        theirs = [ldm_names.to_ldm(part, name) for name in names]
        assert len(set(theirs)) == len(names)
        assert [ldm_names.from_ldm(part, name) for name in theirs] == names


# Parameters of U-Net, VAE and text encoders as published.
_COUNTS = {
    "sd15": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sd2": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "sdxl": {
        "unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480,
        "text_encoder_2": 694_659_840,
    },
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.name)
def test_the_shipped_settings_are_the_published_models(layout: Layout) -> None:
    """The networks that the shipped settings describe have the known numbers of parameters."""
    import diffusers
    import transformers

    kinds: Any = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}
    counts = {}
    for part in layout.parts():
        facts = layout.settings(part)
        with torch.device("meta"):
            if part in kinds:
                model = kinds[part].from_config(facts)
            else:
                kind: Any = getattr(transformers, facts["architectures"][0])
                model = kind(transformers.CLIPTextConfig(**facts))
        counts[part] = sum(weight.numel() for weight in model.parameters())
        shapes = {n.removeprefix("text_model."): w.shape for n, w in model.state_dict().items()}
        assert config(layout, part, {n: tuple(one) for n, one in shapes.items()}) == facts
    assert counts == _COUNTS[layout.name]


def test_the_tokenizer_is_clip_s() -> None:
    """The tokenizer built from the shipped merges gives the ids that CLIP's is known for."""
    tokenizer = shipped_tokenizer()

    assert len(tokenizer) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("").input_ids == [49406, 49407]
    assert tokenizer.decode(tokenizer("Hello, (world:1.2) \u732b").input_ids[1:-1]) == (
        "hello , ( world : 1 . 2 ) \u732b"
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("lora_unet_x.lora_down.weight", "a LoRA"),
        ("conditioner.embedders.0.model.x", "a Stable Diffusion XL refiner"),
        ("something.else", "a file of weights of another kind"),
    ],
)
def test_another_file_is_named_for_what_it_is(
    name: str, what: str, meta: Path, tmp_path: Path, models: Models
) -> None:
    """A LoRA or a refiner given as the base model, or for its VAE, is two lines."""
    from safetensors.torch import save_file

    file = tmp_path / "x.safetensors"
    save_file({name: torch.zeros(1)}, file)

    with pytest.raises(ModelFileError) as caught:
        start.start([meta], config_of(base=str(file)), models, Console(level=0))
    assert str(caught.value) == f"`{file}` is {what}, not a base model of a known family"
    assert caught.value.hint == f"known: {', '.join(all_families())}"

    with pytest.raises(ModelFileError) as caught:
        vae.open_vae(file, "cpu")
    assert str(caught.value) == (f"`{file}` is {what}, not a Stable Diffusion model or its VAE")


def test_code_in_a_ckpt_never_runs(tmp_path: Path, ckpt: Path) -> None:
    """Row 50: a `.ckpt` that holds more than weights is refused, and nothing in it is run."""
    import pickle
    import zipfile

    target = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (target,))

    words = ("model.diffusion_model.x", "cond_stage_model.transformer.text_model.y")
    file = tmp_path / "bad.ckpt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bad/data.pkl", pickle.dumps({"state_dict": dict.fromkeys(words, Bomb())}))
        archive.writestr("bad/version", "3\n")

    assert FAMILY.fits(file)
    with pytest.raises(ModelFileError) as caught:
        FAMILY.load(file, "cpu")

    assert (str(caught.value), caught.value.hint) == (
        f"`{file}` is not a plain file of weights", "fetch it again, or take a `.safetensors` of it"
    )  # fmt: skip
    assert not target.exists()


def test_a_torn_ckpt_is_told(tmp_path: Path, ckpt: Path) -> None:
    """A `.ckpt` that was half fetched is refused by name."""
    torn = tmp_path / "torn.ckpt"
    torn.write_bytes(ckpt.read_bytes()[:-1000])

    with pytest.raises(ModelFileError) as caught:
        FAMILY.fits(torn)

    assert str(caught.value) == f"`{torn}` is not a whole `.ckpt` file"


def test_a_file_that_lacks_weights_is_refused(single: Path, tmp_path: Path) -> None:
    """Weights that are missing from a file are never made up."""
    from safetensors.torch import load_file, save_file

    weights = load_file(single)
    del weights["model.diffusion_model.out.2.bias"]
    broken = tmp_path / "broken.safetensors"
    save_file(weights, broken)

    with pytest.raises(UserError) as caught:
        FAMILY.load(broken, "cpu")

    assert str(caught.value) == (
        f'`{broken}` cannot be opened: Missing key(s) in state_dict: "conv_out.bias".'
    )


def test_a_text_encoder_with_other_words_is_refused(
    narrow: Path, base: Path, tmp_path: Path
) -> None:
    """A file whose text encoder has another vocabulary than CLIP's needs a tokenizer of its own."""
    mixed = shutil.copytree(narrow, tmp_path / "mixed")
    shutil.rmtree(mixed / "text_encoder")
    shutil.copytree(base / "text_encoder", mixed / "text_encoder")
    file = write_single("sd15", mixed, tmp_path / "mixed.safetensors")

    with pytest.raises(ModelFileError) as caught:
        FAMILY.load(file, "cpu")

    assert str(caught.value) == f"the text encoder in `{file}` knows 514 words, CLIP 49408"


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_a_base_model_of_other_numbers_is_refused(narrow: Path, tmp_path: Path, part: str) -> None:
    """Case F1: weights of int8 are no weights as they stand: said, in a file and in a folder."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(narrow, tmp_path / "folder")
    weights = folder / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_out.bias" if part == "unet" else "quant_conv.bias"] = torch.ones(4).char()
    if part == "vae":
        tensors["quant_conv.bias"] = torch.ones(8).char()
    save_file(tensors, weights)
    one = write_single("sd15", folder, tmp_path / "one.safetensors")

    for place in (folder, one):
        with pytest.raises(ModelFileError) as caught:
            vae.open_vae(place, "cpu") if part == "vae" else FAMILY.outline(place)
        assert "holds weights of a kind that is not supported, `I8`: 1 tensors" in str(caught.value)
        assert caught.value.hint == "get the version with 16 or 32 bits a number"
