"""The dataset file (`meta*.json`, `.jsonl`): what prep publishes and train reads.

All paths are POSIX. `root` (the pictures) and `state` (prep's folder) are relative to the file;
a sample's key is relative to `root`, its `latents` to `state`. Sizes are (width, height) in px.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from prep import files
from prep.errors import DatasetError
from prep.wording import Wording, wording

FORMAT = "prep-dataset"
VERSION = 1
TEXTS = ("tags", "caption", "both")
SPLITS = ("train", "validation")

# What is told of a sample's words only where there is something to tell.
_ACCOUNT = ("yours", "unused")

# What a person may change in a meta file; every other field of a sample is the machine's.
PERSONS = ("tags", "caption", "text", "weight", "concept", "split")


@dataclass(frozen=True)
class Concept:
    """What the pictures of one concept have in common.

    Attributes:
        repeats: How often each picture is seen in an epoch.
        trigger: The word that calls the concept; in front of whatever trains.
        class_prompt: What it is an instance of (`dog`).
        regularisation: Pictures of the class, not of the subject.
    """

    repeats: int = 1
    trigger: str = ""
    class_prompt: str = ""
    regularisation: bool = False


@dataclass(frozen=True)
class Vae:
    """The numbers of the VAE that made the latents, as read from its config.

    Attributes:
        digest: SHA-256 over its sorted tensors, the same for a folder and a single file.
        scaling_factor: Latents are multiplied by this before training.
        shift_factor: Subtracted before scaling.
        channels: Channels of the latents.
    """

    name: str
    digest: str
    scaling_factor: float
    shift_factor: float
    channels: int


@dataclass(frozen=True)
class Sample:
    """One picture of the dataset.

    Attributes:
        digest: SHA-256 of the picture's file.
        original_size: Upright size of the picture, (width, height) px.
        tags: In training order, after the rules.
        caption: One sentence, or an empty string.
        text: Which of the two trains: `tags`, `caption` or `both` (tags first).
        size: (width, height) px after the resize that precedes the crop.
        crop: (left, top, right, bottom) px of the bucket within the resized picture.
        bucket: (width, height) px, what the latents depict.
        latents: Path of the latents relative to the state folder.
        source: Lineage of a derived picture: source key, box and kind.
        yours: Which of tags and caption a person wrote.
        unused: Words of a person that a step took away -> see `prep.account.TAKEN` for the steps.
    """

    digest: str
    original_size: tuple[int, int]
    tags: tuple[str, ...] = ()
    caption: str = ""
    text: str = "tags"
    concept: str = ""
    split: str = "train"
    weight: float = 1.0
    flip: bool = False
    size: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    bucket: tuple[int, int] | None = None
    latents: str | None = None
    source: Mapping[str, Any] | None = None
    yours: tuple[str, ...] = ()
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def wording(self, trigger: str = "") -> Wording:
        """Return what the sample trains on; `trigger` is that of its concept."""
        return wording(self.tags, self.caption, self.text, trigger)

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

    root: str
    samples: Mapping[str, Sample]
    state: str | None = None
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
        for name, value in asdict(dataset).items()
        if name != "samples" and value is not None
    }
    each = [(key, _compact(sample)) for key, sample in sorted(dataset.samples.items())]
    if name.endswith(".jsonl"):
        rows = [_text(head), *(_text({"key": key} | sample) for key, sample in each)]
        return "".join(row + "\n" for row in rows).encode()
    top = "".join(f" {_text(name)}: {_text(value)},\n" for name, value in sorted(head.items()))
    body = ",\n".join(f"  {_text(key)}: {_text(sample)}" for key, sample in each)
    return ("{\n" + top + ' "samples": {\n' + body + "\n }\n}\n").encode()


def load(path: Path) -> Dataset:
    """Read a dataset file.

    Raises:
        DatasetError: It is missing, torn, of a newer version, kohya's flat metadata, or holds a
            field of the wrong shape or a path that leaves its folder.
    """
    return parse(read_text(path), path.name)


def read_text(path: Path) -> str:
    """Return the text of a dataset file; raise DatasetError where there is none."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(
            f"there is no `{path}`", "make it with `prep edit FOLDER`, or run the whole pipeline"
        ) from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise DatasetError(
            f"`{path}` is not a dataset of prep", "make one with `prep edit FOLDER`"
        ) from None
    except OSError as error:
        raise DatasetError(
            f"`{path}` cannot be read: {error.strerror}", "is it a dataset file?"
        ) from None


def parse(text: str, name: str) -> Dataset:
    """Return the dataset that `text` holds; `name` (with its suffix) is for messages."""
    head: Any
    if name.endswith(".jsonl"):
        rows = [files.strict_json(row, name) for row in text.splitlines() if row.strip()]
        head = rows[0] if rows and isinstance(rows[0], dict) else {}
        head["samples"] = {row.pop("key", ""): row for row in rows[1:] if isinstance(row, dict)}
    else:  # what does not even begin as ours is another kind of file, not a torn one
        head = files.strict_json(text, name) if text.lstrip().startswith("{") else None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise _not_ours(head, name)
    if head.get("version") != VERSION:
        raise DatasetError(
            f"`{name}` has version {head.get('version')} of the dataset format, this is {VERSION}",
            "update with `pip install -U prep-and-train`",
        )
    try:
        return _dataset(head, name)
    except (TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"`{name}` has a field of the wrong shape: {error}", "write it as prep wrote it"
        ) from None


def _dataset(head: dict[str, Any], name: str) -> Dataset:
    samples = {key: _sample(key, row, name) for key, row in dict(head.get("samples", {})).items()}
    return Dataset(
        root=str(head["root"]) if "root" in head else ".",
        samples=samples,
        state=head.get("state"),
        concepts={key: Concept(**value) for key, value in head.get("concepts", {"": {}}).items()},
        made_by=head.get("made_by", {}),
        left_out=head.get("left_out", {}),
        base=head.get("base"),
        vae=Vae(**head["vae"]) if head.get("vae") else None,
    )


def _sample(key: str, row: Any, name: str) -> Sample:
    """Return a checked sample; every mistake names the file, the key and the field."""
    for path in (key, row.get("latents")):
        if path is not None:
            _check_path(path, name)
    known = {item.name for item in fields(Sample)}
    for word in row:
        if word not in known:
            raise DatasetError(f"`{name}`: `{key}` has an unknown field `{word}`", "remove it")
    _check_values(key, row, name)
    weight = row.get("weight", 1.0)
    values: dict[str, Any] = {
        word: tuple(v) if isinstance(v, list) else v for word, v in row.items()
    }
    unused = {why: tuple(words) for why, words in row.get("unused", {}).items()}
    return Sample(**values | {"weight": float(weight), "unused": unused})


def _check_values(key: str, row: Mapping[str, Any], name: str) -> None:
    for word, allowed in (("text", TEXTS), ("split", SPLITS)):
        if row.get(word, allowed[0]) not in allowed:
            raise DatasetError(
                f"`{name}`: `{key}` has {word} `{row[word]}`", f"known: {', '.join(allowed)}"
            )
    tags = row.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise DatasetError(f"`{name}`: the tags of `{key}` are not a list", 'write ["one", "two"]')
    weight = row.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
        raise DatasetError(
            f"`{name}`: the weight of `{key}` is `{weight}`", "write a number, 0 or more"
        )


def _check_path(relative: str, name: str) -> None:
    parts = relative.split("/")
    if (
        not relative
        or "\0" in relative
        or relative.startswith("/")
        or ".." in parts
        or (re.match(r"[A-Za-z]:", relative) or "\\" in relative)
    ):
        raise DatasetError(
            f"`{name}`: the path `{relative}` leads out of the dataset",
            "paths of samples stay inside the folder they are relative to",
        )


def _not_ours(head: Any, name: str) -> DatasetError:
    rows = [row for row in head.values() if isinstance(row, dict)] if isinstance(head, dict) else []
    if rows and all("tags" in row or "caption" in row for row in rows):
        return DatasetError(
            f"`{name}` is metadata of kohya's sd-scripts, not a dataset of prep",
            "run `prep edit FOLDER` on its pictures: the sidecars beside them are read",
        )
    return DatasetError(f"`{name}` is not a dataset of prep", "make one with `prep edit FOLDER`")


def _compact(sample: Sample) -> dict[str, Any]:
    found = {key: value for key, value in asdict(sample).items() if value is not None}
    for name in _ACCOUNT:
        if not found[name]:
            del found[name]
    return found


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
