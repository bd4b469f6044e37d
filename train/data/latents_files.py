"""What a dataset must have before it can be trained on: buckets, texts, whole latents."""

import os
from collections.abc import Mapping
from pathlib import Path

from prep.dataset.dataset_file import Dataset, Sample
from prep.models import vae
from prep.models.latent_space import LatentSpace
from prep.runtime import files
from prep.runtime.counts import counted
from prep.runtime.errors import DatasetError


def check_whole(path: Path, found: Dataset, chosen: Mapping[str, Sample]) -> None:
    """Raise unless every sample has a bucket and latents, and one of them a text."""
    bare = [key for key, sample in chosen.items() if not (sample.latents and sample.bucket)]
    if bare or found.vae is None:
        first = f", the first is `{bare[0]}`" if bare else ""
        total = f"{counted(len(chosen), 'sample')} of `{path.name}`"
        raise DatasetError(
            f"there are no latents of {len(bare or chosen)} of {total}{first}",
            f"make them with `prep latents {_bucket_file(path)}`",
        )
    check_text_of_any(path, found, chosen)


def check_text_of_any(path: Path, found: Dataset, chosen: Mapping[str, Sample]) -> None:
    """Raise where no sample has a text to train on."""
    if not any(sample.training_text(found.trigger(sample)) for sample in chosen.values()):
        raise DatasetError(
            f"none of the {counted(len(chosen), 'sample')} of `{path.name}` has a text",
            "run `prep tag` or `prep caption`, or set `text` to the one that is there",
        )


def check_latents(
    path: Path, chosen: Mapping[str, Sample], places: Mapping[str, Path], space: LatentSpace
) -> dict[str, str]:
    """Return the SHA-256 of every latents file; raise unless each is whole and fits its bucket."""
    again = made_again(path)
    gone = [key for key, place in places.items() if not place.is_file()]
    if gone:
        raise DatasetError(
            f"the latents of {len(gone)} of {counted(len(chosen), 'sample')} of `{path.name}` "
            f"are missing, the first is `{gone[0]}`",
            again,
        )
    digests: dict[str, str] = {}
    for key, sample in chosen.items():
        digests[key] = _check_bytes(path, key, places[key], again)
        width, height = sample.bucket or (0, 0)
        wanted = (space.channels, height // space.factor, width // space.factor)
        try:
            found = vae.shape(places[key])
        except DatasetError:
            raise DatasetError(f"the latents of `{key}` are damaged", again) from None
        if found != wanted:
            why = f"have the shape {found}, its bucket asks for {wanted}"
            raise DatasetError(f"the latents of `{key}` {why}", again)
    return digests


def _check_bytes(path: Path, key: str, place: Path, again: str) -> str:
    """Return the SHA-256 of a file of latents; raise where its numbers cannot be trained on."""
    data = place.read_bytes()
    if wrong := vae.wrong_in(place, data):
        way = again if wrong == "are damaged" else f"delete that file, then {again}"
        told = f"the latents of `{key}` in `{path.name}` {wrong}: `{os.path.relpath(place)}`"
        raise DatasetError(told, way)
    return files.digest_bytes(data)


def made_again(path: Path) -> str:
    """Return how what belongs to the samples of a dataset file is made anew."""
    return f"make them again with `prep latents {_bucket_file(path)}`"


def _bucket_file(path: Path) -> str:
    """Return the name of the file that `prep latents` makes this one from."""
    stem = path.stem.removesuffix("_lat")
    return (stem if stem.endswith("_bucket") else f"{stem}_bucket") + path.suffix
