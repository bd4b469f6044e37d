"""The base model that a training or drawing starts from: found, recognised, looked through."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prep.models import file_layouts, single_file
from prep.models.locate import Ask, FoundModel, Models
from prep.runtime import files
from prep.runtime.counts import counted, first_few
from prep.runtime.errors import ConfigError, ModelFileError, nearest
from train.families import all_families
from train.families.family import Family, Outline
from train.families.folder_weights import sharded


def opened_base(base: str, models: Models) -> tuple[FoundModel, Family]:
    """Return the files of a base model and its family; nothing of torch is loaded.

    Raises:
        ModelFileError: It is missing, damaged, or of a family that is not known.
    """
    found = models.find(_ask(base))
    return found, _family(found, all_families())


def base_at_hand(base: str, models: Models) -> tuple[FoundModel, Family] | None:
    """Return the same without a download; None where there would have to be one."""
    found = models.at_hand(_ask(base))
    return None if found is None else (found, _family(found, all_families()))


def _ask(base: str) -> Ask:
    each = all_families().values()
    whole = {pattern for one in each for pattern in (*one.patterns, *one.optional)}
    patterns = whole | {one for pattern in whole for one in sharded(pattern)}
    return Ask("base", base, tuple(sorted(patterns)), ckpt=True)


def check_clip_skip(clip_skip: int, layers: int, base: str) -> None:
    """Raise ConfigError where a text encoder has not so many layers.

    Args:
        layers: Of the text encoder; 0 where its files do not tell.
        base: The base model as it was named.
    """
    if layers and clip_skip > layers:
        raise ConfigError(
            f"`--clip-skip` is {clip_skip}, and the text encoder of `{base}` has "
            f"{counted(layers, 'layer')}",
            f"give a number from 1 to {layers}" if layers > 1 else "give 1",
        )


def check_prediction(wish: str | None, place: Path, family: Family) -> None:
    """Raise ConfigError where a person says what a base model predicts that says so itself."""
    if wish and (place.is_dir() or family.layout is None):
        raise ConfigError(
            f"`{place}` says itself what it predicts, and `--prediction` is given",
            "leave it out: it is for base models in one file",
        )


def hashes(found: FoundModel, models: Models) -> dict[str, str]:
    """Return the hashes of a single file, by kohya's names; a folder has none."""
    if found.path.is_dir():
        return {}
    with found.path.open("rb") as file:
        file.seek(1 << 20)
        legacy = files.digest_bytes(file.read(64 << 10))[:8]
    return {
        "ss_sd_model_hash": legacy,
        "ss_new_sd_model_hash": models.file_digest(found.path),
    }


def last_part(name: str) -> str:
    """Return a model's name, as a person typed it, without the folders or the owner before it."""
    return name.rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def side_of(outline: Outline, family: Family) -> int:
    """Return the side of the square that a base model was made for, px; 0 where it is not said."""
    network: Any = outline.base and outline.base.network
    size = getattr(network.config, "sample_size", None) if network is not None else None
    return size * family.space.factor if isinstance(size, int) else 0


def unread_note(base: str, unread: Sequence[str]) -> str | None:
    """Return which tensors of a base model's files nothing reads."""
    if not unread:
        return None
    names = [f"`{name}`" for name in unread]
    told = f"{counted(len(names), 'tensor')} in the files of `{base}`"
    return f"{told} {'is' if len(names) == 1 else 'are'} not read: {first_few(names)}"


# What is opened only from a diffusers folder, as `file_layouts.what` calls it.
_FOLDERS_ALONE = ("a Stable Diffusion 3 model",)


def _family(found: FoundModel, families: Mapping[str, Family]) -> Family:
    name = found.ask.name
    for family in families.values():
        if family.fits(found.path):
            if found.path.is_dir():
                _check_parts(found, family)
            return family
    if found.path.is_file():
        what = file_layouts.what(single_file.names(found.path))
        if what in _FOLDERS_ALONE:
            raise ModelFileError(
                f"`{name}` is {what}, which is not read from one file yet",
                "name a diffusers folder of it, or its hub id",
            )
        raise ModelFileError(
            f"`{name}` is {what}, not a base model of a known family", nearest("", families)
        )
    raise ModelFileError(f"`{name}` is not a base model of a known family", nearest("", families))


def _check_parts(found: FoundModel, family: Family) -> None:
    """Raise where a part that the family names is not among the files."""
    each = [_at(file, found.path) for file, _, _ in found.files]
    for pattern in family.patterns:
        if not any(file.match(one) for one in (pattern, *sharded(pattern)[:1]) for file in each):
            raise ModelFileError(
                f"`{found.ask.name}` has no `{pattern}`",
                "fetch it again, with every part of a diffusers folder as safetensors",
            )


def _at(file: Path, folder: Path) -> Path:
    return file.relative_to(folder)
