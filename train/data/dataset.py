"""Published datasets -> the samples to train on, checked before anything heavy is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prep.dataset import dataset_file
from prep.dataset.account import Account, account, joined
from prep.dataset.dataset_file import Dataset, Sample
from prep.dataset.wording import Wording, begins
from prep.models.latent_space import SD1
from prep.models.vae_files import Vae
from prep.runtime import files
from prep.runtime.errors import ConfigError
from train.data.chosen_samples import chosen_of, concept_of, kept_of
from train.data.latents_files import (
    check_kind,
    check_latents,
    check_text_of_any,
    check_whole,
)
from train.data.mask_files import check_masks
from train.data.order import Bucket
from train.data.picture_sources import source_of
from train.families.family import PictureSizes

_NONE = PictureSizes((0, 0), (0, 0), (0, 0))


@dataclass(frozen=True)
class TrainingSample:
    """A sample as training sees it.

    Attributes:
        words: The tags, then all its captions as one, that its text is made of.
        num_tags: How many of the words are tags.
        lead: How many of the tags are the trigger.
        sizes: Of the picture as it trains.
        each: Where it has several captions, what it is shown with, once for each of them.
        source: The file of the picture that it was made of, or its own.
        picture: Its own file.
        trigger: Of its concept; empty for none, as is `class_prompt`.
        latents: File of mean and log-variance.
        latents_digest: SHA-256 of that file.
        mask: File of its mask; None without one.
        mask_digest: SHA-256 of that file; empty where masks are not asked for.
        repeats: How often it is seen in an epoch.
        weight: Multiplies its loss.
        regularisation: Whether it shows the class, not the subject. It is seen as often as its
            repeats say, unless both kinds are balanced as in kohya's scripts: see `balance`.
    """

    digest: str
    text: str
    words: tuple[str, ...]
    num_tags: int
    concept: str
    bucket: Bucket
    latents: Path
    latents_digest: str
    repeats: int
    weight: float
    regularisation: bool = False
    lead: int = 0
    sizes: PictureSizes = _NONE
    each: tuple[Wording, ...] = ()
    source: str = ""
    picture: Path = Path()
    mask: Path | None = None
    mask_digest: str = ""
    trigger: str = ""
    class_prompt: str = ""

    def wordings(self) -> tuple[Wording, ...]:
        """Return what it is shown with: one of these at each showing."""
        return self.each or (Wording(self.words, self.num_tags, self.lead),)


@dataclass(frozen=True)
class Data:
    """All that is trained on.

    Attributes:
        name: What a LoRA of it is called unless told otherwise: the name of the pictures' folder.
        samples: Key -> sample. Keys of a second dataset file begin with `2/`, and so on.
        held_out: How many samples are kept for validation.
        validation: Those of them that have latents, and so can be measured, by key.
        vaes: Name of the dataset file -> the VAE that made its latents.
        base: The base model that the datasets name.
        triggers: Triggers that texts begin with, each once, in the order of the concepts' names.
        spare: How many regularisation pictures were left out to balance them with the others.
    """

    name: str
    samples: Mapping[str, TrainingSample]
    held_out: int
    vaes: Mapping[str, Vae]
    base: str | None
    triggers: tuple[str, ...] = ()
    validation: Mapping[str, TrainingSample] = field(default_factory=dict)
    spare: int = 0

    def repeats(self) -> dict[Bucket, dict[str, int]]:
        """Return how often each sample is seen in an epoch, by bucket; buckets and keys sorted."""
        found: dict[Bucket, dict[str, int]] = {}
        for key, sample in sorted(self.samples.items(), key=lambda pair: (pair[1].bucket, pair[0])):
            found.setdefault(sample.bucket, {})[key] = sample.repeats
        return found

    def content(self) -> dict[str, list[object]]:
        """Return everything of each sample that decides the export's bytes; no path is in it."""
        return {
            key: [
                one.digest,
                one.text,
                list(one.words),
                one.num_tags,
                one.concept,
                list(one.bucket),
                one.latents_digest,
                one.repeats,
                one.weight,
                one.regularisation,
                *([one.lead] if one.lead > 1 else []),  # it stays whole when tags are shuffled
            ]
            for key, one in self.samples.items()
        }

    def contents(self) -> dict[str, str]:
        """Return key -> digest of what decides bytes of it: `content`, its captions, its mask."""
        masks, captions = self.masks(), self.captions()
        return {
            key: files.digest_bytes(
                files.canonical([one, captions.get(key), masks.get(key)]).encode()
            )[:16]
            for key, one in self.content().items()
        }

    def masks(self) -> dict[str, str]:
        """Return key -> digest of the mask, of the samples that have one that is asked for."""
        return {key: one.mask_digest for key, one in self.samples.items() if one.mask_digest}

    def captions(self) -> dict[str, list[object]]:
        """Return what `content` leaves out of the samples with several captions: each of them."""
        return {
            key: [[list(said.words), said.num_tags, said.lead] for said in one.each]
            for key, one in self.samples.items()
            if one.each
        }

    def callers(self) -> dict[str, list[str]]:
        """Return what calls each sample's concept, and what it is one of.

        They decide bytes where texts are shown without the trigger; see `preserved_texts`.
        """
        return {key: [one.trigger, one.class_prompt] for key, one in self.samples.items()}


def load(paths: Sequence[Path], masked: bool = False) -> Data:
    """Read dataset files and look at every latents file.

    Args:
        masked: Whether masks are asked for: they are looked at, too.

    Raises:
        DatasetError: A file is no dataset, has no latents or no texts, its latents or masks are
            missing or not those of its buckets, or there is nothing to train on.
        ConfigError: One file is named twice.
    """
    each = _opened(paths)
    samples: dict[str, TrainingSample] = {}
    validation: dict[str, TrainingSample] = {}
    for number, (path, found) in enumerate(each, 1):
        before = "" if number == 1 else f"{number}/"
        each_sample = _training_samples(path, found, masked)
        samples |= {before + key: one for key, one in each_sample.items()}
        kept = _with_latents(path, found, kept_of(found))
        validation |= {before + key: one for key, one in kept.items()}
    root = (paths[0].parent / each[0][1].root).resolve()
    return Data(
        name=root.name,
        samples=samples,
        held_out=sum(one.split == "validation" for _, d in each for one in d.samples.values()),
        vaes={path.name: found.vae for path, found in each if found.vae},
        base=next((found.base for _, found in each if found.base), None),
        triggers=tuple(dict.fromkeys(word for _, found in each for word in _triggers(found))),
        validation=validation,
    )


def _triggers(found: Dataset) -> list[str]:
    """Return the triggers that a text begins with, of the samples to train on."""
    used = {
        sample.concept
        for sample in found.samples.values()
        for trigger in (found.trigger(sample),)
        if sample.split == "train"
        and any(begins(said.text(), trigger) for said in sample.wordings(trigger))
    }
    return [one.trigger for name, one in sorted(found.concepts.items()) if name in used]


def account_of(paths: Sequence[Path]) -> Account:
    """Return what becomes of the words of all pictures, by the keys of `load`.

    Raises:
        UserError: As of `load`, before it looks at latents and texts.
    """
    return joined(
        ("" if number == 1 else f"{number}/", account(found))
        for number, (_, found) in enumerate(_opened(paths), 1)
    )


def _opened(paths: Sequence[Path]) -> list[tuple[Path, Dataset]]:
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("one dataset file is named twice", "name each file once")
    for path in paths:
        check_kind(path)
    return [(path, dataset_file.load(path)) for path in paths]


def check_texts(path: Path) -> None:
    """Look at a dataset file that may have no latents yet.

    Raises:
        DatasetError: There is nothing to train on, or no sample has a text.
    """
    found = dataset_file.load(path)
    check_text_of_any(path, found, chosen_of(path, found))


def _training_samples(path: Path, found: Dataset, masked: bool) -> dict[str, TrainingSample]:
    chosen = chosen_of(path, found)
    check_whole(path, found, chosen)
    return _with_latents(path, found, chosen, masked)


def _with_latents(
    path: Path, found: Dataset, chosen: Mapping[str, Sample], masked: bool = False
) -> dict[str, TrainingSample]:
    state = path.parent / (found.state or found.root)
    places = {key: files.inside(state, str(sample.latents)) for key, sample in chosen.items()}
    digests = check_latents(path, chosen, places, found.vae.space() if found.vae else SD1)
    masks = {key: files.inside(state, one.mask) for key, one in chosen.items() if one.mask}
    told = check_masks(path, chosen, masks) if masked else {}
    made = ((k, _training_sample(path, found, k, (places[k], digests[k]))) for k in chosen)
    return {k: replace(one, mask=masks.get(k), mask_digest=told.get(k, "")) for k, one in made}


def _training_sample(
    path: Path, found: Dataset, key: str, latents: tuple[Path, str]
) -> TrainingSample:
    sample = found.samples[key]
    concept = concept_of(path, found, key, sample)
    said, each = sample.wording(concept.trigger), sample.wordings(concept.trigger)
    return TrainingSample(
        digest=sample.digest,
        text=said.text(),
        words=said.words,
        num_tags=said.num_tags,
        concept=sample.concept,
        bucket=sample.bucket or (0, 0),
        latents=latents[0],
        latents_digest=latents[1],
        repeats=concept.repeats,
        weight=sample.weight,
        regularisation=concept.regularisation,
        lead=said.lead,
        each=each if len(each) > 1 else (),
        source=source_of(path, found, key, sample),
        picture=path.parent / found.root / key,
        sizes=PictureSizes(
            sample.original_size, (sample.crop or (0, 0))[:2], sample.bucket or (0, 0)
        ),
        trigger=concept.trigger,
        class_prompt=concept.class_prompt,
    )
