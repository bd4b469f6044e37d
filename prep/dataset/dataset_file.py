"""The dataset file (`meta*.json`, `.jsonl`): what prep publishes and train reads.

All paths are POSIX. `root` (the pictures) and `state` (prep's folder) are relative to the file;
a sample's key is relative to `root`, its `latents` and `mask` to `state`. Sizes are (width, height)
in px.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from prep.dataset import dataset_text
from prep.dataset.concepts import MOST_REPEATS
from prep.dataset.dataset_text import FORMAT
from prep.dataset.sample_fields import MOST_WEIGHT, SPLITS, TEXTS
from prep.dataset.wording import Wording, captions, wording, wordings
from prep.models.vae_files import Vae
from prep.runtime import files, keys, schema
from prep.runtime.errors import DatasetError
from prep.runtime.misfit import Misfit
from prep.runtime.schema import limits

VERSION = 1
_MOST_PICTURES = 1_000_000_000
_MOST_PX = 1 << 20  # no picture that is read has a longer side
_SIZE = limits(least=1, most=_MOST_PX)
_BOX = limits(least=0, most=_MOST_PX, form="box")

# Mappings of a dataset file -> how an entry of each is called, before its name.
_ENTRIES = {"samples": "", "concepts": "the concept ", "left_out": "the left-out picture "}
# What is told of a sample's words only where there is something to tell.
_ACCOUNT = ("yours", "unused")


@dataclass(frozen=True)
class Concept:
    """What the pictures of one concept have in common.

    Attributes:
        repeats: How often each picture is seen in an epoch, 0 to 1000.
        trigger: The word that calls the concept; in front of whatever trains.
        class_prompt: What it is an instance of (`dog`).
        regularisation: Pictures of the class, not of the subject.
    """

    repeats: int = field(default=1, metadata=limits(least=0, most=MOST_REPEATS))
    trigger: str = ""
    class_prompt: str = ""
    regularisation: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of the dataset.

    Attributes:
        digest: SHA-256 of the picture's file.
        original_size: Upright size of the picture, (width, height) px.
        tags: In training order, after the rules.
        caption: One sentence, several with a line each, or an empty string. In the file several
            are a list.
        text: Which of the two trains: `tags`, `caption` or `both` (tags first).
        size: (width, height) px after the resize that precedes the crop.
        crop: (left, top, right, bottom) px of the bucket within the resized picture.
        bucket: (width, height) px, what the latents depict.
        weight: Multiplies its loss, 0 to 1000.
        latents: Path of the latents relative to the state folder.
        mask: Path, relative to the state folder, of a grey PNG of the bucket's size: white trains.
        source: Lineage of a derived picture: source key, box and kind.
        yours: Which of tags and caption a person wrote.
        unused: Words of a person that a step took away -> see `prep.dataset.account.TAKEN` for the
            steps.
    """

    digest: str = field(metadata=limits(form="hex"))
    original_size: tuple[int, int] = field(metadata=_SIZE)
    tags: tuple[str, ...] = ()
    caption: str = field(default="", metadata=limits(form="lines"))
    text: str = field(default="tags", metadata=limits(choices=TEXTS))
    concept: str = ""
    split: str = field(default="train", metadata=limits(choices=SPLITS))
    weight: float = field(default=1.0, metadata=limits(least=0, most=MOST_WEIGHT))
    flip: bool = False
    size: tuple[int, int] | None = field(default=None, metadata=_SIZE)
    crop: tuple[int, int, int, int] | None = field(default=None, metadata=_BOX)
    bucket: tuple[int, int] | None = field(default=None, metadata=_SIZE)
    latents: str | None = field(default=None, metadata=limits(form="path"))
    mask: str | None = field(default=None, metadata=limits(form="path"))
    source: Mapping[str, Any] | None = None
    yours: tuple[str, ...] = ()
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def wording(self, trigger: str = "") -> Wording:
        """Return what the sample trains on; `trigger` is that of its concept."""
        return wording(self.tags, self.caption, self.text, trigger)

    def wordings(self, trigger: str = "") -> tuple[Wording, ...]:
        """Return the same once for each caption; a picture is shown with one of them."""
        return wordings(self.tags, self.caption, self.text, trigger)

    def training_text(self, trigger: str = "") -> str:
        """Return the same as one text."""
        return self.wording(trigger).text()


@dataclass(frozen=True)
class Dataset:
    """A whole dataset file.

    Attributes:
        root: Folder of the pictures, relative to the file.
        state: prep's folder, relative to the file; None for a dataset that prep did not make.
        made_by: What made it: program, stages and their params.
        left_out: Key -> the reason why the picture is not among the samples.
        base: The base model that `train` takes unless told otherwise.
    """

    root: str = field(metadata=limits(form="folder"))
    samples: Mapping[str, Sample] = field(metadata=limits(form="keys"))
    state: str | None = field(default=None, metadata=limits(form="folder"))
    concepts: Mapping[str, Concept] = field(default_factory=lambda: {"": Concept()})
    made_by: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None
    vae: Vae | None = None

    def counts(self) -> dict[str, int]:
        """Return how many pictures there are, in the dataset and left out."""
        return {"samples": len(self.samples), "left_out": len(self.left_out)}

    def trigger(self, sample: Sample) -> str:
        """Return the word that calls a sample's concept; empty for none."""
        concept = self.concepts.get(sample.concept)
        return concept.trigger if concept else ""


@dataclass(frozen=True)
class _Counts:
    samples: int = field(default=0, metadata=limits(least=0, most=_MOST_PICTURES))
    left_out: int = field(default=0, metadata=limits(least=0, most=_MOST_PICTURES))


@dataclass(frozen=True)
class _Head:
    counts: _Counts


def dump(dataset: Dataset, name: str = "meta.json") -> bytes:
    """Return a dataset as UTF-8 JSON, one sample a line, or as JSON lines; always the same bytes.

    Args:
        dataset: What to write.
        name: The file's name. One that ends in `.jsonl` gets JSON lines: a header, then one
            sample a line with its `key`.
    """
    head = {"format": FORMAT, "version": VERSION, "counts": dataset.counts()}
    head |= {
        name: value
        for name, value in asdict(replace(dataset, samples={})).items()
        if name != "samples" and value is not None
    }
    head |= {"vae": dataset.vae.recorded()} if dataset.vae else {}
    samples = ((key, _compact(dataset.samples[key])) for key in sorted(dataset.samples))
    file = BytesIO()  # a million samples are written one by one: their text is not held twice
    file.writelines(piece.encode() for piece in dataset_text.pieces(head, samples, name))
    return file.getvalue()


def load(path: Path) -> Dataset:
    """Read a dataset file.

    Raises:
        DatasetError: It is missing, torn, of a newer version, kohya's flat metadata, or holds a
            field of the wrong shape or a path that leaves its folder.
    """
    return parse(read_text(path), path.name)


def read_text(path: Path) -> str:
    """Return the text of a dataset file; raise DatasetError where there is none."""
    if path.is_dir():
        raise _not_ours(None, str(path))
    try:
        return files.content(path, files.MOST_TABLE).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(
            f"there is no `{path}`", "make it with `prep edit FOLDER`, or run the whole pipeline"
        ) from None
    except UnicodeDecodeError:
        raise _not_ours(None, str(path)) from None
    except OSError as error:
        raise DatasetError(
            f"`{path}` cannot be read: {error.strerror}", "is it a dataset file?"
        ) from None


def parse(text: str, name: str) -> Dataset:
    """Return the dataset that `text` holds; `name` (with its suffix) is for messages.

    Raises:
        DatasetError: It is no dataset; or, with the key and the field, anything in it is not as
            the classes above declare it, or would be lost.
    """
    head = dataset_text.read(text, name)
    del text
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise _not_ours(head, name)
    version = head.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        shown = keys.shown(json.dumps(version))[:40]
        raise DatasetError(f"`{name}`: `version` is `{shown}`", f"write {VERSION}")
    if version != VERSION:
        raise DatasetError(
            f"`{name}` has version {version} of the dataset format, this is {VERSION}",
            "update with `pip install -U prep-and-train`",
        )
    return _dataset({word: head[word] for word in head if word not in ("format", "version")}, name)


def _dataset(head: dict[str, Any], name: str) -> Dataset:
    try:
        schema.read(_Head, {"counts": head.pop("counts", {})})  # what they say is counted anew
        found = schema.read(Dataset, {"root": "."} | head)
    except Misfit as misfit:
        raise DatasetError(f"`{name}`{misfit.sentence(_ENTRIES)}", misfit.hint) from None
    if not isinstance(found.made_by.get("stages", {}), dict):
        raise DatasetError(f"`{name}`: `stages` of `made_by` is not a mapping", "remove it")
    return found


def _not_ours(head: Any, name: str) -> DatasetError:
    rows = [row for row in head.values() if isinstance(row, dict)] if isinstance(head, dict) else []
    if rows and all("tags" in row or "caption" in row for row in rows):
        return DatasetError(
            f"`{name}` is metadata of kohya's sd-scripts, not a dataset of prep",
            f"take its words over: `prep import {name} --in FOLDER`, then run `prep edit FOLDER`",
        )
    return DatasetError(f"`{name}` is not a dataset of prep", "make one with `prep edit FOLDER`")


def _compact(sample: Sample) -> dict[str, Any]:
    each = ((name, getattr(sample, name)) for name in sample.__slots__)
    found = {name: value for name, value in each if value is not None}
    for name in _ACCOUNT:
        if not found[name]:
            del found[name]
    if len(captions(sample.caption)) > 1:
        found["caption"] = sample.caption.split("\n")
    return found
