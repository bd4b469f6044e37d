import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prep.models import latent_space, safetensors_file, vae, vae_ask, vae_files
from prep.models.locate import Models
from prep.runtime.errors import DatasetError, ModelFileError


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny AutoencoderKL, saved as a base model's folder has it."""
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    top = tmp_path_factory.mktemp("vae")
    AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        scaling_factor=0.5,
    ).save_pretrained(str(top / "vae"))
    return top


def _copy(folder: Path, to: Path) -> Path:
    import shutil

    shutil.copytree(folder, to)
    return to


def _pictures() -> list[Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    return [Image.fromarray(each) for each in pixels]


def test_latents_are_those_of_diffusers_alone(folder: Path) -> None:
    """Mean and log-variance equal, bit for bit, what diffusers' own pixel scaling and VAE give."""
    import torch
    from diffusers import AutoencoderKL
    from diffusers.image_processor import VaeImageProcessor

    plain = AutoencoderKL.from_pretrained(str(folder), subfolder="vae")
    with torch.no_grad():
        wanted = plain.encode(VaeImageProcessor().preprocess(_pictures())).latent_dist

    found = [one for one in vae.encode(vae.open_vae(folder, "cpu"), _pictures()) if one]

    assert [one.mean.shape for one in found] == [(4, 4, 6)] * 2
    assert torch.equal(torch.stack([one.mean for one in found]), wanted.mean)
    assert torch.equal(torch.stack([one.logvar for one in found]), wanted.logvar)


def test_numbers_that_are_not_finite_are_refused(folder: Path) -> None:
    """A VAE that answers NaN has no latents, so that none are written."""
    import torch

    broken = vae.open_vae(folder, "cpu")
    broken.quant_conv.bias.fill_(torch.nan)

    assert vae.encode(broken, _pictures()) == [None, None]


def test_the_numbers_are_read_from_the_config(folder: Path, tmp_path: Path) -> None:
    """Scale, shift, channels and factor are the config's; where it is silent, SD 1.x's."""
    assert vae_files.numbers(folder, "small").scaling_factor == 0.5
    told = {"latent_channels": 16, "scaling_factor": 1.5305, "shift_factor": 0.0609}
    deep = _copy(folder, tmp_path / "deep")
    (deep / "vae" / "config.json").write_text(json.dumps(told | {"block_out_channels": [1] * 4}))
    assert vae_files.space_of(deep) == latent_space.SD3
    (deep / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [1] * 6}))
    assert vae_files.numbers(deep, "deep").factor == 32
    bare = _copy(folder, tmp_path / "bare")
    (bare / "vae" / "config.json").write_text("{}")

    found = vae_files.numbers(bare, "small")

    assert (found.name, found.scaling_factor, found.shift_factor, found.channels) == (
        "small", 0.18215, 0.0, 4,
    )  # fmt: skip


def test_the_digest_is_that_of_the_tensors(folder: Path, tmp_path: Path) -> None:
    """Folder, VAE folder, `.bin` and old names of one VAE agree; another bit does not."""
    import torch
    from safetensors.torch import load_file, save_file

    wanted = vae_files.numbers(folder, "a").digest
    weights = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    new = (".to_q.", ".to_k.", ".to_v.", ".to_out.0.")
    old = (".query.", ".key.", ".value.", ".proj_attn.")

    def renamed(name: str) -> str:
        for ours, theirs in zip(new, old, strict=True):
            name = name.replace(ours, theirs)
        return name

    aged = _copy(folder, tmp_path / "aged") / "vae"
    save_file(
        {renamed(key): value for key, value in weights.items()},
        aged / "diffusion_pytorch_model.safetensors",
    )
    pickled = _copy(folder, tmp_path / "pickled") / "vae"
    (pickled / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(weights, pickled / "diffusion_pytorch_model.bin")
    other = _copy(folder, tmp_path / "other")
    path = other / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))

    assert vae_files.numbers(folder / "vae", "a").digest == wanted
    assert vae_files.numbers(aged, "a").digest == wanted
    assert vae_files.numbers(tmp_path / "pickled", "a").digest == wanted
    assert vae_files.numbers(other, "a").digest != wanted


def test_a_pickle_with_code_is_never_run(folder: Path, tmp_path: Path) -> None:
    """Row 50: a `.bin` that holds a call is refused twice over; the call is not made."""
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "ran",)

    bad = _copy(folder, tmp_path / "bad")
    (bad / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (bad / "vae" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({"a": Bomb()}))

    with pytest.raises(ModelFileError):
        vae_files.numbers(bad, "bad")
    with pytest.raises(ModelFileError):
        vae.open_vae(bad, "cpu")

    assert not (tmp_path / "ran").exists()


def test_a_bin_opens_as_the_safetensors_does(folder: Path, tmp_path: Path) -> None:
    """A folder with only a plain `.bin` gives the same latents."""
    import torch
    from safetensors.torch import load_file

    other = _copy(folder, tmp_path / "bin")
    weights = other / "vae" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()

    one = vae.encode(vae.open_vae(folder, "cpu"), _pictures())[0]
    two = vae.encode(vae.open_vae(other, "cpu"), _pictures())[0]

    assert one is not None
    assert two is not None
    assert torch.equal(one.mean, two.mean)


def test_the_files_of_a_vae_are_found(folder: Path, tmp_path: Path) -> None:
    """A base model's folder and a VAE's own both name config and weights; `.bin` only if alone."""
    models = Models(tmp_path / "home", offline=True)
    (folder / "README.md").write_text("x")
    pickled = _copy(folder, tmp_path / "pickled")
    weights = pickled / "vae" / "diffusion_pytorch_model.safetensors"
    weights.replace(weights.with_suffix(".bin"))

    def names(name: Path) -> list[str]:
        found = models.find(vae_ask.ask_vae(str(name)))
        return [path.relative_to(found.path).as_posix() for path, _, _ in found.files]

    assert names(folder) == ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"]
    assert names(folder / "vae") == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert names(pickled) == ["vae/config.json", "vae/diffusion_pytorch_model.bin"]


def test_a_folder_without_a_vae_is_two_lines(tmp_path: Path) -> None:
    """What is no VAE is said to be none, with what was looked for."""
    with pytest.raises(ModelFileError) as caught:
        vae_files.numbers(tmp_path, "x")

    assert str(caught.value) == (
        f"`{tmp_path}` holds no VAE: it has no `config.json` with "
        "`diffusion_pytorch_model.safetensors`"
    )
    assert caught.value.hint == "name a diffusers folder, a hub id, or `tiny`"


def test_latents_on_disk_are_exact_bytes() -> None:
    """Float32 latents are a sorted header, log-variance, then mean."""
    import torch

    mean, logvar = torch.arange(4.0).reshape(1, 2, 2), torch.full((1, 2, 2), -2.0)

    made = vae.dump(vae.Latents(mean, logvar))

    head = {
        "logvar": {"dtype": "F32", "shape": [1, 2, 2], "data_offsets": [0, 16]},
        "mean": {"dtype": "F32", "shape": [1, 2, 2], "data_offsets": [16, 32]},
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    body = struct.pack("<8f", -2, -2, -2, -2, 0, 1, 2, 3)
    assert made == struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_latents_come_back(tmp_path: Path, dtype: str) -> None:
    """What was dumped is loaded as float32; bfloat16 rounds as torch does."""
    import torch

    given = vae.Latents(*torch.randn((2, 4, 3, 2), generator=torch.Generator().manual_seed(0)))
    path = tmp_path / "a.safetensors"
    path.write_bytes(vae.dump(given, dtype))

    found = vae.load(path)

    assert vae.shape(path) == (4, 3, 2)
    assert torch.equal(found.mean, given.mean.to(getattr(torch, dtype)).float())
    assert torch.equal(found.logvar, given.logvar.to(getattr(torch, dtype)).float())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "it is missing"),
        (b"<html>", "it is damaged"),
        (
            safetensors_file.dump({"mean": safetensors_file.Packed("F32", (1,), b"1234")}),
            "it holds something else",
        ),
    ],
)
def test_other_files_are_no_latents(tmp_path: Path, data: bytes | None, why: str) -> None:
    """A missing, torn or strange file is one sentence and the stage that makes it again."""
    path = tmp_path / "a.safetensors"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(DatasetError) as caught:
        vae.load(path)

    assert str(caught.value) == f"`a.safetensors` cannot be read as latents: {why}"
    assert caught.value.hint == "make it again with `prep latents`"


def test_numbers_need_no_torch(folder: Path) -> None:
    """What a plan asks of a VAE imports none of the heavy libraries."""
    code = (
        "import sys; from pathlib import Path; from prep.models import vae_files;"
        "vae_files.numbers(Path(sys.argv[1]), 'x');"
        "print(sorted({'torch', 'diffusers', 'numpy', 'PIL', 'transformers'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_latents_that_claim_more_than_they_hold(tmp_path: Path) -> None:
    """Row 95: a small file that says it holds gigabytes is refused before memory is taken."""
    claimed = 4 * 4 * 16384 * 16384
    place = {"dtype": "F32", "shape": [4, 16384, 16384]}
    header = json.dumps(
        {
            "logvar": place | {"data_offsets": [0, claimed]},
            "mean": place | {"data_offsets": [claimed, 2 * claimed]},
        }
    ).encode()
    file = tmp_path / "bomb.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))

    with pytest.raises(DatasetError) as caught:
        vae.load(file)

    assert (str(caught.value), caught.value.hint) == (
        "`bomb.safetensors` cannot be read as latents: it is damaged",
        "make it again with `prep latents`",
    )
