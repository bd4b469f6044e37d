"""A tiny Stable Diffusion 1.x folder with random weights, and a small dataset with its latents."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.models import vae, vae_files
from prep.models.locate import Models
from prep.runtime import files
from tests.train.narrow import write_narrow
from train.families.sd15 import FAMILY

BUCKETS = ((64, 64), (32, 64), (64, 32))


def build_base(folder: Path, prediction: str = "epsilon", seed: int = 0) -> Path:
    """Write a diffusers folder of Stable Diffusion 1.x: real classes, a few channels."""
    return FAMILY.tiny.write(folder, prediction, seed)


def build_dataset(
    folder: Path, base: Path, count: int = 6, buckets: tuple[tuple[int, int], ...] = BUCKETS
) -> Path:
    """Write a dataset of samples that take turns in the buckets; return its file."""
    import torch

    numbers = vae_files.numbers(base, "small")
    state = folder / "images" / ".prep"
    samples: dict[str, Sample] = {}
    for number in range(count):
        width, height = buckets[number % len(buckets)]
        generator = torch.Generator().manual_seed(number)
        shape = (2, numbers.channels, height // numbers.factor, width // numbers.factor)
        mean, logvar = torch.randn(shape, generator=generator)
        files.write(
            state / f"latents/{number}.safetensors", vae.dump(vae.Latents(mean, logvar - 3))
        )
        samples[f"{number}.png"] = Sample(
            digest=f"{number:064x}",
            original_size=(width, height),
            tags=("mascot", f"pose {number % 2}"),
            concept="toy",
            bucket=(width, height),
            latents=f"latents/{number}.safetensors",
        )
    meta = folder / "meta_lat.json"
    found = Dataset(
        root="images",
        state="images/.prep",
        samples=samples,
        concepts={"toy": Concept(trigger="mascot")},
        base=str(base),
        vae=numbers,
    )
    files.write(meta, dataset_file.dump(found))
    return meta


def change(meta: Path, key: str | None = None, /, **values: object) -> Path:
    """Write a dataset anew with other fields; with `key`, those of one sample."""
    found = dataset_file.load(meta)
    if key is None:
        found = replace(found, **values)  # type: ignore[arg-type]
    else:
        one = replace(found.samples[key], **values)  # type: ignore[arg-type]
        found = replace(found, samples={**found.samples, key: one})
    files.write(meta, dataset_file.dump(found))
    return meta


@pytest.fixture(scope="session")
def built_base() -> Callable[..., Path]:
    """The function that writes a tiny base model."""
    return build_base


@pytest.fixture(scope="session")
def narrow_base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The function from a family's name to a narrow model's folder of it; never changed."""
    top = tmp_path_factory.mktemp("narrow")

    def found(name: str) -> Path:
        place = top / name
        return place if place.exists() else write_narrow(name, place)

    return found


@pytest.fixture
def built_dataset() -> Callable[..., Path]:
    """The function that writes a small dataset."""
    return build_dataset


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base model's folder; never changed."""
    return build_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def meta(tmp_path: Path, base: Path) -> Path:
    """A dataset file of six samples with latents."""
    return build_dataset(tmp_path / "data", base)


@pytest.fixture
def changed() -> Callable[..., Path]:
    """The function that edits a dataset file."""
    return change


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """Models of a user without a hub."""
    return Models(tmp_path / "home", offline=True)
