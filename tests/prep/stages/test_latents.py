"""Pictures -> the bytes of latents, by the stand-in VAE."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.models.locate import Models
from prep.models.vae_ask import ask_vae
from prep.stage import Failed
from prep.stages.latents import Params, latents, load

PLACE = {"bucket": [64, 96], "size": [64, 100], "crop": [0, 2, 64, 98]}


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The stand-in VAE, opened as the stage opens it."""
    found = Models(tmp_path_factory.mktemp("home"), offline=True)
    params = Params(model="tiny", device="cpu")
    return load(params, (found.find(ask_vae(params.model)),))


def tensors(data: bytes, path: Path) -> dict[str, Any]:
    """Return the tensors of a file as the safetensors library reads them."""
    from safetensors.torch import load_file

    path.write_bytes(data)
    found: dict[str, Any] = load_file(path)
    return found


def noise(seed: int) -> Image.Image:
    """Return a picture that differs from others."""
    import random

    return Image.frombytes("RGB", (64, 100), random.Random(seed).randbytes(64 * 100 * 3))


def test_latents_are_those_of_the_crop(vae: Any, tmp_path: Path) -> None:
    """Mean and log-variance of the resized, cropped picture, an eighth of its size, unscaled."""
    import torch
    from diffusers.image_processor import VaeImageProcessor

    image = noise(1)
    (data,) = latents.run([image], [PLACE], Params(), vae)
    pixels = VaeImageProcessor(vae_scale_factor=8).preprocess(image.crop((0, 2, 64, 98)))
    with torch.inference_mode():
        wanted = vae.encode(pixels).latent_dist

    found = tensors(data, tmp_path / "x.safetensors")

    assert found["mean"].shape == (4, 12, 8)
    assert torch.equal(found["mean"], wanted.mean[0])
    assert torch.equal(found["logvar"], wanted.logvar[0])


def test_half_the_size_in_bfloat16(vae: Any, tmp_path: Path) -> None:
    """bfloat16 keeps the same numbers, rounded to nearest; only the file is smaller."""
    import torch

    (whole,), (half,) = (
        latents.run([noise(1)], [PLACE], Params(dtype=dtype), vae)
        for dtype in ("float32", "bfloat16")
    )
    found = tensors(half, tmp_path / "half.safetensors")["mean"]

    assert found.dtype == torch.bfloat16
    wanted = tensors(whole, tmp_path / "whole.safetensors")["mean"].bfloat16()
    assert torch.equal(found, wanted)


def test_each_picture_of_a_batch_has_its_own(vae: Any, tmp_path: Path) -> None:
    """Pictures that are encoded together get the latents they get alone, but for rounding."""
    import torch

    images = [noise(1), noise(2)]
    together = latents.run(images, [PLACE] * 2, Params(), vae)
    for number, image in enumerate(images):
        (alone,) = latents.run([image], [PLACE], Params(), vae)
        one = tensors(together[number], tmp_path / "one.safetensors")["mean"]
        other = tensors(alone, tmp_path / "other.safetensors")["mean"]
        assert torch.allclose(one, other, atol=1e-4)


def test_a_picture_without_numbers_fails_alone(vae: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case E4: a picture that the VAE answers with NaN is a failure, never a file; others go on."""
    import torch

    encode = type(vae).encode

    def broken(self: Any, pixels: Any) -> Any:
        found = encode(self, pixels)
        found.latent_dist.mean[1, 0, 0, 0] = torch.nan
        return found

    monkeypatch.setattr(type(vae), "encode", broken)
    first, second = latents.run([noise(1), noise(2)], [PLACE, PLACE], Params(), vae)

    assert isinstance(first, bytes)
    assert second == Failed(
        "the VAE answered with numbers that are not finite",
        "use another VAE, or a fixed copy of it",
    )
