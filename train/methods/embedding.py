"""Embedding (textual inversion): vectors that a word of the texts stands for, and nothing else.

Source: Gal et al. 2022; files as AUTOMATIC1111, ComfyUI and diffusers read them: `emb_params`, for
Stable Diffusion XL `clip_l` and `clip_g`, as kohya-ss/sd-scripts (commit 48d368fa) write them.

Letters: V tokens of a text encoder, D features, N vectors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models.clip_tokens import token_counter
from prep.runtime.counts import counted, first_few
from prep.runtime.errors import ConfigError
from train.adapters import new_words
from train.adapters.new_words import NewWord
from train.config import CHUNK_TOKENS, Config
from train.data.caption_templates import TEMPLATES, filled
from train.data.captions import whole_texts
from train.data.dataset import Data
from train.export import embedding_export
from train.families.family import Base, Family
from train.families.folder_weights import tokenizer_of
from train.generators import generator_for
from train.methods.method import Export, Method, Shapes, Sizes
from train.option_fields import deciding, option
from train.step.precision import HALVES

if TYPE_CHECKING:
    from torch import Tensor

CAPTIONS = "captions"
_MARKS = frozenset(",()[]{}|\\:")  # part tags, weigh words or choose among them


@dataclass(frozen=True)
class EmbeddingOptions:
    """What a person may choose of an embedding."""

    token: str = option(
        "", "The word of the texts that the vectors stand for; default: the pictures' trigger"
    )
    vectors: int = option(
        1, "How many vectors it stands for: so many tokens of a text", least=1, most=CHUNK_TOKENS
    )
    initial_words: str = option(
        "", "Words whose vectors they begin as; default: drawn, as the words of the base model are"
    )
    template: str = option(
        CAPTIONS, "What texts are: captions, or sentences about one thing (object) or one style "
        "(style)", words=(CAPTIONS, *TEMPLATES),
    )  # fmt: skip

    def word(self) -> NewWord:
        """Return the word and how many vectors it stands for."""
        return NewWord(self.token, self.vectors)

    def deciding(self) -> Mapping[str, Any]:
        """Return all of them."""
        return deciding(self)


def faults(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the word, or with the words that it begins as."""
    own = config.own_as(EmbeddingOptions)
    if own.token != " ".join(own.token.split()) or _MARKS & set(own.token):
        marks = "none of `, ( ) [ ] { } | \\ :`"
        yield (
            f"`--token` is `{own.token}`",
            f"give a word that no caption has otherwise, with {marks}",
        )
    if own.initial_words and not own.initial_words.strip():
        yield "`--initial-words` is empty", "give words that the base model knows, as `girl`"


def settled(config: Config, data: Data) -> tuple[Config, Data]:
    """Return the settings with their word, and the samples with the texts that they train with.

    Raises:
        ConfigError: No word is named, or no sample has it.
    """
    own = config.own_as(EmbeddingOptions)
    if not own.token:
        if len(data.triggers) != 1 or _MARKS & set(data.triggers[0]):
            raise ConfigError(
                "`--token` is not given, and the pictures have no trigger to take for it",
                "name the word that the vectors stand for: `--token mychara`",
            )
        own = replace(own, token=data.triggers[0])
    samples = data.samples
    if own.template != CAPTIONS:
        samples = {
            key: one if one.regularisation else filled(one, own.template, own.token)
            for key, one in samples.items()
        }
    elif not any(
        new_words.is_in(own.token, t) for each in _texts(data, config).values() for t in each
    ):
        raise ConfigError(
            f"no text has the word `{own.token}`, and so nothing would learn",
            f'put it in front of every text: `--caption-prefix "{own.token}"`, or train with '
            "sentences in place of captions: `--template object`",
        )
    return replace(config, own=own), replace(data, samples=samples, triggers=(own.token,))


def _texts(data: Data, config: Config) -> dict[str, list[str]]:
    """Return the texts of each sample that is to teach the word."""
    samples = {key: one for key, one in data.samples.items() if not one.regularisation}
    return {key: whole_texts(one, config) for key, one in samples.items()}


def notes(config: Config, data: Data, place: Path) -> Iterator[str]:
    """Yield which samples teach nothing, and what the base model's tokenizer says of the words."""
    own = config.own_as(EmbeddingOptions)
    texts = _texts(data, config)
    idle = [k for k, each in texts.items() if not all(new_words.is_in(own.token, t) for t in each)]
    if idle:
        yield (
            f"{len(idle)} of {counted(len(texts), 'sample')} can be shown without "
            f"`{own.token}`, and teach nothing then: {first_few([f'`{key}`' for key in idle])}"
        )
    count = token_counter(None if place.is_file() else place / tokenizer_of("text_encoder"))
    known, begin = count([own.token, own.initial_words])
    if known == 1:
        yield (
            f"`{own.token}` is a word of the base model: where texts have it, it means the new "
            "vectors now, and diffusers will load them by another word only"
        )
    if begin not in (0, 1, own.vectors):
        told = f"`--initial-words` are {counted(begin, 'token')}, and `--vectors` is {own.vectors}"
        yield f"{told}: {'the last are left out' if begin > own.vectors else 'they are repeated'}"


def attach(base: Base, family: Family, config: Config) -> None:
    """Give each text encoder the vectors that learn, at their first numbers."""
    own = config.own_as(EmbeddingOptions)
    first = {part: _first(base, part, own, config.seed) for part in family.embeddings}
    new_words.add(base, [own.word()], first)
    for rows in new_words.rows_of(base).values():
        rows.requires_grad_(True)


def _first(base: Base, part: str, own: EmbeddingOptions, seed: int) -> "Tensor":
    """Return the first vectors for a text encoder, shape (N, D), float32.

    Those of the initial words, again and again; else drawn with mean and deviation of its table.
    """
    import torch

    table_VD: Tensor = base.encoders[part].get_input_embeddings().weight.detach()  # type: ignore[operator]
    if own.initial_words:
        ids = base.tokenizers[tokenizer_of(part)](own.initial_words, verbose=False).input_ids[1:-1]
        return torch.stack([table_VD[ids[n % len(ids)]] for n in range(own.vectors)]).float()
    shape = (own.vectors, table_VD.shape[1])
    drawn_ND = torch.randn(shape, generator=generator_for(seed, "embedding", part))
    known_VD = table_VD.float()
    found_ND: Tensor = known_VD.mean(0) + known_VD.std(0) * drawn_ND.to(known_VD.device)
    return found_ND


def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
    """Return how many numbers the vectors have: all learn, and all are written."""
    ending = "token_embedding.weight"
    each = [
        shape
        for part in family.embeddings
        for n, shape in shapes[part].items()
        if n.endswith(ending)
    ]
    count = config.own_as(EmbeddingOptions).vectors * sum(width for _, width in each)
    return Sizes(count, count)


def publish(export: Export) -> None:
    """Write the vectors; see `Publish`."""
    embedding_export.write(export.path, export.base, export.family, (
        export.config.own_as(EmbeddingOptions).token, export.config.save_precision, export.metadata,
    ))  # fmt: skip


def metadata(config: Config) -> Mapping[str, str]:
    """Return the options of kohya's script for embeddings, and what it does not train."""
    own = config.own_as(EmbeddingOptions)
    return {
        "ss_token_string": own.token,
        "ss_num_vectors_per_token": str(own.vectors),
        "ss_init_word": own.initial_words or "None",
        **{f"ss_use_{name}_template": str(own.template == name) for name in TEMPLATES},
        "ss_unet_lr": "None",
    }


METHOD = Method(
    name="embedding",
    about="Train an embedding (textual inversion): vectors that a word of the texts stands for.",
    made="an embedding for",
    known_as=("textual_inversion", "textual-inversion"),
    options=EmbeddingOptions,
    usual_rate=5e-4,
    architecture="/textual-inversion",
    precision=lambda config: HALVES.get(config.precision, "float32"),
    attach=attach,
    sizes=sizes,
    ending=lambda config: ".safetensors",
    publish=publish,
    apply=embedding_export.apply,
    metadata=metadata,
    of_parts=False,
    trains=lambda family: bool(family.embeddings),
    faults=faults,
    settled=settled,
    counted=lambda text, config: new_words.lengthened(
        text, [config.own_as(EmbeddingOptions).word()]
    ),
    reads=lambda config: True,
    notes=notes,
)
