"""Masks: what they hide is not learned, what they show counts as a picture without one."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import DatasetError
from tests.train.runs import lora, new_console, said
from train.data import dataset
from train.data.batches import Batches
from train.families.diffusion_process import Diffusion
from train.families.noise_process import Prediction
from train.loss_rows import LOSSES, errors
from train.methods import config_of
from train.run.idle_notes import idle_notes
from train.weights.explain import explain

PLACE = "masks/0.png"
AGAIN = "make them again with `prep latents meta_bucket.json`"


def grey(pixels: Any) -> bytes:
    """Return a grey PNG of rows of numbers from 0 to 255."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8), "L").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def drawn() -> Any:
    """Rows of a mask of 64x64 px whose cells of 8 px have means of all kinds; the left is black."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64))
    pixels[:, :24] = 0
    return pixels


@pytest.fixture
def masked(meta: Path, changed: Callable[..., Path], drawn: Any) -> Path:
    """The small dataset; its first sample has a mask."""
    place = meta.parent / "images/.prep" / PLACE
    place.parent.mkdir(parents=True)
    place.write_bytes(grey(drawn))
    return changed(meta, "0.png", mask=PLACE)


def test_a_masked_loss_is_the_mean_over_what_the_mask_shows() -> None:
    """Every row's loss is a float64 mean weighed by the mask; what is hidden has no gradient."""
    said, wanted = torch.randn((2, 2, 4, 3, 5), generator=torch.Generator().manual_seed(0))
    said.requires_grad_()
    mask = np.random.default_rng(1).random((2, 3, 5), np.float32)
    mask[0, :, :2], mask[1, 1:] = 0, 0
    off = (said - wanted).detach().numpy().astype(np.float64)
    each: dict[str, Any] = {
        "l2": off**2, "l1": np.abs(off), "smooth-l1": 2 * (np.sqrt(off**2 + 0.01) - 0.1),
        "huber": 0.2 * (np.sqrt(off**2 + 0.01) - 0.1),
    }  # fmt: skip
    for name, loss in LOSSES.items():
        width = torch.tensor([0.1, 0.1]) if loss.wide else None
        found = errors(said, wanted, loss, width, torch.from_numpy(mask))
        of = (each[name] * mask[:, None]).sum((1, 2, 3)) / (4 * mask.astype(np.float64).sum((1, 2)))
        np.testing.assert_allclose(found.detach(), of, rtol=1e-5)
        half = errors(said, wanted, loss, width, torch.from_numpy(mask / 2))
        torch.testing.assert_close(half, found)  # the area alone makes no loss smaller
        white = errors(said, wanted, loss, width, torch.ones((2, 3, 5)))
        torch.testing.assert_close(white, errors(said, wanted, loss, width))
        (slope,) = torch.autograd.grad(found.sum(), said)
        hidden = torch.from_numpy(mask == 0)[:, None].expand_as(slope)
        assert not slope[hidden].any()
        assert slope[~hidden].all()


def test_a_place_of_the_latents_counts_as_its_pixels(masked: Path, drawn: Any) -> None:
    """A mask is the mean over 8x8 px of each place; others show all; the log's digest knows it."""
    process = Diffusion(torch.linspace(0.99, 0.01, 1000), Prediction.EPSILON)
    plain = Batches(dataset.load([masked]), config_of(), 1.0, 0.0)
    batches = Batches(dataset.load([masked], True), config_of(masked_loss=True), 1.0, 0.0)

    found = batches.batch(("0.png", "3.png"), 0, 0, range(2), process)
    other = plain.batch(("0.png", "3.png"), 0, 0, range(2), process)

    assert found.mask_BHW is not None
    cells = (drawn / 255).reshape(8, 8, 8, 8).mean((1, 3))
    np.testing.assert_allclose(found.mask_BHW[0], cells, rtol=1e-5)
    assert found.mask_BHW[1].tolist() == [[1.0] * 8] * 8
    assert other.mask_BHW is None
    assert torch.equal(found.x0_BCHW, other.x0_BCHW)
    assert not {*found.digests} & {*other.digests}
    batches.data.samples["0.png"].mask.write_bytes(b"other")  # type: ignore[union-attr]
    with pytest.raises(DatasetError, match=r"the mask `0\.png` changed while it trained"):
        batches.batch(("0.png",), 0, 0, range(1), process)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (None, "the masks of 1 of 1 sample of `meta_lat.json` are missing, the first is `0.png`"),
        (b"\x89PNG\r\n", "the mask of `0.png` is damaged"),
        (grey([[255] * 64] * 32), ("the mask of `0.png` is grey, of 64x32 px; its bucket is "
                                   "64x64")),
        (grey([[0] * 64] * 64), "the mask of `0.png` hides all of the picture"),
    ],
    ids=["gone", "torn", "of another size", "black"],
)  # fmt: skip
def test_a_mask_that_cannot_train_is_refused(masked: Path, data: bytes | None, wrong: str) -> None:
    """A mask that is gone, torn, of another size or black is two lines, where it is asked for."""
    place = masked.parent / "images/.prep" / PLACE
    place.unlink() if data is None else place.write_bytes(data)

    with pytest.raises(DatasetError) as caught:
        dataset.load([masked], masked=True)

    assert (str(caught.value), caught.value.hint) == (wrong, AGAIN)
    dataset.load([masked])


def test_masks_decide_a_run_where_they_are_asked_for(
    masked: Path, changed: Callable[..., Path], tmp_path: Path, models: Models
) -> None:
    """Unasked, masks change no byte of an export and are told; asked, the certificate has them."""
    console = new_console()
    asked = lora(masked, tmp_path / "a", models, console, steps=2, masked_loss=True)
    assert said(console)[1] == ""
    unasked = lora(masked, tmp_path / "b", models, console, steps=2)
    told = "1 of 6 samples have a mask, which decides nothing without `--masked-loss`"
    assert said(console)[1] == f"{told}\n"
    changed(masked, "0.png", mask=None)
    without = lora(masked, tmp_path / "c", models, new_console(), steps=2)

    born = {
        path: json.loads(safetensors_file.header(path).metadata["prep_certificate"])
        for path in (asked, unasked)
    }

    assert unasked.read_bytes() == without.read_bytes()
    assert unasked.parent.name == without.parent.name != asked.parent.name
    assert ["mask" in row for row in born[asked]["samples"].values()] == [True, *[False] * 5]
    assert born[asked]["config"]["masked_loss"] is True
    assert not any("mask" in row for row in born[unasked]["samples"].values())
    explain(asked, told_by := new_console())
    assert "pictures: 6, with a mask: 1, kept for validation: 0\n" in said(told_by)[0]
    data, config = dataset.load([masked], True), config_of(masked_loss=True, steps=2)
    assert [*idle_notes(config, data, 6)] == ["`--masked-loss` has no effect: no sample has a mask"]
