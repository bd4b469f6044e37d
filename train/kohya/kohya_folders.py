"""Which folders of pictures kohya's options and dataset files name, and how each is to be read.

Source: kohya-ss/sd-scripts (commit 48d368fa): library/config_util.py, library/train_util.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.dataset.concepts import concept_of
from prep.runtime.errors import nearest
from train.kohya.kohya_keys import IDLE, REFUSED
from train.kohya.kohya_scripts import Mistake, as_whole
from train.kohya.kohya_settings import PLAIN

# Where each key of a dataset file may stand: in [general], [[datasets]], [[datasets.subsets]].
_EVERYWHERE = """
num_repeats shuffle_caption caption_separator keep_tokens keep_tokens_separator
secondary_separator enable_wildcard caption_prefix caption_suffix token_warmup_min
token_warmup_step color_aug flip_aug random_crop face_crop_aug_range custom_attributes
caption_dropout_rate caption_dropout_every_n_epochs caption_tag_dropout_rate caption_extension
class_tokens cache_info resize_interpolation
"""
_OF_DATASETS = """
resolution batch_size enable_bucket min_bucket_reso max_bucket_reso bucket_reso_steps
bucket_no_upscale network_multiplier validation_split validation_seed
"""
_OF_SUBSETS = "image_dir is_reg alpha_mask metadata_file conditioning_data_dir"
PLACES: Mapping[str, frozenset[str]] = {
    "[general]": frozenset((_EVERYWHERE + _OF_DATASETS).split()),
    "[[datasets]]": frozenset((_EVERYWHERE + _OF_DATASETS).split()),
    "[[datasets.subsets]]": frozenset((_EVERYWHERE + _OF_SUBSETS).split()),
}
_READ = """
dataset_config config_file train_data_dir reg_data_dir dataset_repeats resolution enable_bucket
min_bucket_reso max_bucket_reso bucket_reso_steps bucket_no_upscale caption_extension
caption_extention vae in_json alpha_mask
"""
# Keys of dataset files alone, which they read as well.
OF_DATASETS = frozenset(
    ("class_tokens", "num_repeats", "batch_size", "image_dir", "is_reg", "metadata_file")
)
READ = frozenset(_READ.split())  # options of the command line that the functions below read
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif", ".jxl")  # as kohya's have them
_FIELDS = {".txt": "tags", ".caption": "caption"}


@dataclass(frozen=True)
class KohyaFolder:
    """A folder of pictures as it trains.

    Attributes:
        images: As it was named.
        text: What trains: `tags` of a `.txt`, or the sentence of a `.caption`.
        repeats: How often a picture is seen, where its folder does not say it.
        concepts: Concept -> what is said of it, as in a file of concepts.
        bucket: Params of the stage.
        metadata: File with the words of its pictures; None where they lie beside them.
        options: What else was said of it: options of the training.
        alpha_mask: Whether what is transparent does not train.
    """

    images: str
    text: str
    repeats: int
    concepts: Mapping[str, Mapping[str, Any]]
    bucket: Mapping[str, Any]
    metadata: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    alpha_mask: bool = False


def folders_of(
    given: Mapping[str, Any], dataset: Mapping[str, Any] | None, here: Path
) -> tuple[list[KohyaFolder], list[Mistake]]:
    """Return the folders that train, and what is wrong with what was said of them.

    Args:
        given: Options of the training script.
        dataset: A dataset file as TOML; None without one.
        here: Folder that paths are relative to.
    """
    wrong: list[Mistake] = []
    if dataset is not None:
        found = [*_of_dataset(dataset, given, here, wrong)]
    else:
        found = [*_of_options(given, here, wrong)]
    names = [folder.images for folder in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        wrong.append((f"`{name}` is named twice", "train on it once, or on a copy of it"))
    if not found and not wrong:
        wrong.append(("no folder of pictures is named", "add `--train_data_dir` or a dataset file"))
    return found, wrong


def shared_options(folders: list[KohyaFolder], wrong: list[Mistake]) -> dict[str, Any]:
    """Return what dataset files say of the training: it has to be the same for all folders."""
    found: dict[str, Any] = dict(folders[0].options) if folders else {}
    for folder in folders[1:]:
        for name in sorted(found.keys() | folder.options.keys()):
            one, other = found.get(name), folder.options.get(name)
            if one != other:
                told = f"`{name}` is `{one}` of one folder and `{other}` of `{folder.images}`"
                wrong.append((told, "give all folders the same"))
    return found


def _of_options(
    given: Mapping[str, Any], here: Path, wrong: list[Mistake]
) -> Iterator[KohyaFolder]:
    """Yield the folders of the command line: their sub-folders say repeats and words."""
    for option in ("train_data_dir", "reg_data_dir"):
        if option not in given:
            continue
        images = str(given[option])
        place = here / images
        if not place.is_dir():
            wrong.append((f"there is no folder `{images}`", f"name it by `--{option}`"))
            continue
        wrong += [] if "in_json" in given else _strays(place, images)
        wrong += _texts_not_read(place, images, given)
        names = {concept_of(f"{one.name}/x").name for one in _folders(place)}
        of_class = option == "reg_data_dir"
        concepts = {name: {"regularisation": True} for name in sorted(names) if of_class}
        repeats = _whole(given, "dataset_repeats", 1, wrong)
        yield _folder(images, given, concepts, repeats, wrong)


def _strays(place: Path, images: str) -> Iterator[Mistake]:
    """Yield what would train here, and what kohya's scripts leave out or repeat."""
    pictures = [path for path in _seen(place) if path.suffix.lower() in _PICTURES]
    tops = dict.fromkeys(path.relative_to(place).parts[0] for path in pictures)
    folders = [top for top in tops if (place / top).is_dir()]
    beside = [top for top in tops if top not in folders]
    others = [top for top in folders if not concept_of(f"{top}/x").repeats]
    for names, hint in (
        (beside, "move pictures into a folder `10_words`, or away"),
        (others, "move it away, or rename the folder"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            told = (
                f"`{names[0]}`{more} in `{images}`: kohya's scripts read folders `10_words` alone"
            )
            yield told, hint


def _folders(place: Path) -> list[Path]:
    """Return the folders in a folder, without prep's own."""
    return [one for one in place.iterdir() if one.is_dir() and not one.name.startswith(".")]


def _seen(place: Path) -> Iterator[Path]:
    """Yield what lies in a folder, sorted; what begins with a dot, as prep's `.prep`, is not."""
    for path in sorted(place.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(place).parts):
            yield path


def _texts_not_read(place: Path, images: str, said: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield where texts lie beside pictures that kohya's scripts would not read."""
    given = {"caption_extension", "caption_extention", "in_json", "metadata_file"}
    endings = {path.suffix.lower() for path in _seen(place)}
    if not given & said.keys() and ".txt" in endings and ".caption" not in endings:
        told = f"`caption_extension` is not given, and `{images}` has `.txt` files alone"
        yield told, "kohya's scripts would not read them: give `.txt`, or move them away"


def _of_dataset(
    dataset: Mapping[str, Any], given: Mapping[str, Any], here: Path, wrong: list[Mistake]
) -> Iterator[KohyaFolder]:
    general = dataset.get("general", {})
    _check_keys(general, "[general]", wrong)
    for one in dataset.get("datasets", []):
        own = {name: value for name, value in one.items() if name != "subsets"}
        _check_keys(own, "[[datasets]]", wrong)
        for subset in one.get("subsets", []):
            _check_keys(subset, "[[datasets.subsets]]", wrong)
            said = dict(given) | dict(general) | own | dict(subset)
            if "image_dir" not in subset:
                wrong.append(("a subset names no `image_dir`", "add it"))
                continue
            images = str(subset["image_dir"])
            if not (here / images).is_dir():
                wrong.append((f"there is no folder `{images}`", "check `image_dir`"))
                continue
            wrong += _texts_not_read(here / images, images, said)
            concept: dict[str, Any] = {}
            if "class_tokens" in said:
                concept["class_prompt"] = str(said["class_tokens"])
            if said.get("is_reg"):
                concept["regularisation"] = True
            table = {"": concept} if concept else {}
            repeats = _whole(said, "num_repeats", 1, wrong)
            yield _folder(images, said, table, repeats, wrong)


def _check_keys(found: Mapping[str, Any], place: str, wrong: list[Mistake]) -> None:
    for name in found:
        if name in PLACES[place]:
            continue
        others = [where for where, names in PLACES.items() if name in names]
        hint = f"it stands in {' or '.join(others)}" if others else nearest(name, PLACES[place])
        wrong.append((f"`{place}` has no key `{name}`", hint))


def _folder(
    images: str,
    said: Mapping[str, Any],
    concepts: Mapping[str, Mapping[str, Any]],
    repeats: int,
    wrong: list[Mistake],
) -> KohyaFolder:
    ending = str(said.get("caption_extension", said.get("caption_extention", ".caption")))
    metadata = said.get("metadata_file", said.get("in_json"))
    if ending not in _FIELDS and metadata is None:
        wrong.append(
            (f"`caption_extension` is `{ending}`", "texts are read from `.txt` and `.caption`")
        )
    batch = {"train_batch_size": said["batch_size"]} if "batch_size" in said else {}
    others = {*PLAIN, *REFUSED, *IDLE}
    options = {name: said[name] for name in said if name in others} | batch
    text = "tags" if metadata is not None else _FIELDS.get(ending, "tags")
    words = None if metadata is None else str(metadata)
    bucket = _bucket(said, wrong)
    alpha = said.get("alpha_mask", False) is not False
    return KohyaFolder(images, text, repeats, concepts, bucket, words, options, alpha)


def _bucket(said: Mapping[str, Any], wrong: list[Mistake]) -> dict[str, Any]:
    """Return the params of `prep bucket`; without buckets, squares alone."""
    side = _side(said, wrong)
    step = _whole(said, "bucket_reso_steps", 64, wrong)
    if said.get("enable_bucket", False) is False:
        return {"resolution": side, "step": 64, "min_side": side, "max_side": side, "max_crop": 1.0}
    return {
        "resolution": side,
        "step": step,
        "min_side": _whole(said, "min_bucket_reso", 256, wrong) // step * step,
        "max_side": -(-_whole(said, "max_bucket_reso", 1024, wrong) // step) * step,
        "max_crop": 1.0,
        "upscale": not said.get("bucket_no_upscale", False),
    }


def _side(said: Mapping[str, Any], wrong: list[Mistake]) -> int:
    """Return the side of the square that `resolution` is: `512`, `512,512` or [512, 512]."""
    value = said.get("resolution", 512)
    words = value if isinstance(value, list) else str(value).split(",")
    try:
        width, height = (int(word) for word in (words * 2)[:2])
    except (TypeError, ValueError):
        wrong.append((f"`resolution` is `{value}`", "give a number of pixels"))
        return 512
    if width != height:
        wrong.append(
            (f"`resolution` is {width} by {height}", "give one side: buckets are as large")
        )
    return width


def _whole(said: Mapping[str, Any], name: str, usual: int, wrong: list[Mistake]) -> int:
    return as_whole(name, said.get(name, usual), usual, wrong)
