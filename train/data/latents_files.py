"""What a dataset must have before it can be trained on: buckets, texts, whole latents."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from prep.dataset.dataset_file import Dataset, Sample
from prep.models import single_file, vae
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
    check_there("latents", path, places)
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


def check_there(what: str, path: Path, places: Mapping[str, Path]) -> None:
    """Raise DatasetError where some of what belongs to samples is missing.

    Args:
        what: That is missing: `latents`.
        path: The dataset file.
        places: Key -> file, of the samples that have it.
    """
    gone = [key for key, place in places.items() if not place.is_file()]
    if gone:
        raise DatasetError(
            f"the {what} of {len(gone)} of {counted(len(places), 'sample')} of `{path.name}` are "
            f"missing, the first is `{gone[0]}`",
            made_again(path),
        )


def made_again(path: Path) -> str:
    """Return how what belongs to the samples of a dataset file is made anew."""
    return f"make them again with `prep latents {_bucket_file(path)}`"


def _bucket_file(path: Path) -> str:
    """Return the name of the file that `prep latents` makes this one from."""
    stem = path.stem.removesuffix("_lat")
    return (stem if stem.endswith("_bucket") else f"{stem}_bucket") + path.suffix


def nothing_to_train(path: Path, found: Dataset) -> DatasetError:
    """Return the error for a dataset file without samples to train on: why there is none."""
    told = f"`{path.name}` has no samples to train on"
    if found.samples:
        hint = "every sample is kept for validation, or its concept has no repeats"
        return DatasetError(told, hint)
    if not (count := len(found.left_out)):
        return DatasetError(told, "run the stages before it: `prep run`")
    first, why = min(found.left_out.items())
    what = "its only picture was" if count == 1 else f"all {count} pictures were"
    folder = os.path.normpath(path.parent / found.root)
    one = "" if count == 1 else "the first is "
    return DatasetError(
        f"{told}: {what} left out; {one}`{first}`: {why}",
        f"mend that, or look at each: `prep why {shlex.quote(first)} --in {shlex.quote(folder)}`",
    )


def check_kind(path: Path) -> None:
    """Raise for the files that are given in place of a dataset most often."""
    if path.suffix.lower() in single_file.SUFFIXES:
        raise DatasetError(
            f"`{path}` is a file of weights, not a dataset",
            "name the file that `prep latents` wrote, `meta_lat.json`; "
            "a base model goes after `--base`",
        )
