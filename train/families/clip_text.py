"""Texts as CLIP encoders read them: chunks of 75 tokens, a state for each token.

Letters: B batch, L tokens, D features.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py `get_input_ids` and
`get_hidden_states`, library/sdxl_train_util.py: a text of more than 75 tokens is cut into chunks
with a mark at either end of each, and the states are joined without the marks in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.models.devices import moved
from prep.models.tokenizer import CHUNKS
from train.config import CHUNK_TOKENS
from train.families.weighted_words import weighted

if TYPE_CHECKING:
    from torch import Tensor

    from train.families.family import Base, Conditioning

MOST_CHUNKS = len(CHUNKS)
_MARKS = 2  # the tokens at the beginning and the end of every chunk


@dataclass(frozen=True)
class TextReading:
    """How a family reads one of its text encoders.

    Attributes:
        encoder: Its folder in a diffusers model.
        tokenizer: The folder of its tokenizer.
        layer: The layer that is used, from the end; 1: the last.
        normed: Whether the encoder's final normalisation is applied to an earlier layer.
        pooled: Whether its pooled state is used, too: that of the first chunk.
    """

    encoder: str = "text_encoder"
    tokenizer: str = "tokenizer"
    layer: int = 1
    normed: bool = True
    pooled: bool = False

    def earlier(self, clip_skip: int) -> "TextReading":
        """Return the same of an earlier layer: 1 is this one, 2 the one before it, and so on."""
        return replace(self, layer=self.layer + clip_skip - 1)


def chunks_of(tokenizer: Any, texts: Sequence[str], length: int) -> int:
    """Return into how many chunks the longest of some texts has to be cut, 1 to 3.

    Args:
        length: Of a chunk, with its marks.
    """
    return chunks_for(max((count(tokenizer, text) for text in texts), default=0), length - _MARKS)


def chunks_for(tokens: int, inner: int = CHUNK_TOKENS) -> int:
    """Return into how many chunks so many tokens are cut, 1 to 3; `inner` of them fit one."""
    return max(1, min(MOST_CHUNKS, -(-tokens // inner)))


def count(tokenizer: Any, text: str) -> int:
    """Return how many tokens a text is, marks at either end left out."""
    return len(tokenizer(text, verbose=False).input_ids) - _MARKS


class HowRead(NamedTuple):
    """How the texts of a run are read; see `Encode`."""

    readings: Sequence[TextReading]
    clip_skip: int
    chunks: int
    weighted: bool


class TokenRows(NamedTuple):
    """A text's tokens.

    Attributes:
        rows: Of each chunk, marks and padding among them.
        weights: Of each state that is made of them.
    """

    rows: list[list[int]]
    weights: list[float]


def tokens_of(
    tokenizer: Any, text: str, length: int, chunks: int, *, weights: bool = False
) -> TokenRows:
    """Return the tokens of a text; what is longer than the chunks is cut off.

    Args:
        length: Of a chunk, with its marks.
        weights: Whether brackets give words weights; see `weighted_words`.
    """
    inner = length - _MARKS
    most = inner * chunks + _MARKS
    if weights:
        ids, each = _weighted_ids(tokenizer, text, most)
        return TokenRows(_rows(tokenizer, ids, inner, chunks), each)
    ids = tokenizer(
        text, padding="max_length", max_length=most, truncation=True, verbose=False
    ).input_ids
    return TokenRows(_rows(tokenizer, ids, inner, chunks), [1.0] * most)


def _weighted_ids(tokenizer: Any, text: str, most: int) -> tuple[list[int], list[float]]:
    """Return tokens with marks and padding, and the weight of each.

    Source:
        kohya-ss/sd-scripts (commit 48d368fa), library/strategy_base.py: the pieces of a text are
        read one by one; marks and padding weigh 1.
    """
    pieces = [
        (tokenizer(words, verbose=False).input_ids[1:-1], weight)
        for words, weight in weighted(text)
    ]
    inner = most - _MARKS
    ids = [one for each, _ in pieces for one in each][:inner]
    weights = [weight for each, weight in pieces for _ in each][:inner]
    left = inner - len(ids)
    begin, end, padding = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    return [begin, *ids, end, *[padding] * left], [1.0, *weights, 1.0, *[1.0] * left]


def _rows(tokenizer: Any, ids: list[int], inner: int, chunks: int) -> list[list[int]]:
    """Return tokens chunk by chunk, each with marks at its ends."""
    if chunks == 1:
        return [ids]
    end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
    rows = []
    for n in range(chunks):
        row = [ids[0], *ids[1 + n * inner : 1 + (n + 1) * inner], ids[-1]]
        if padding != end:
            if row[-2] not in (end, padding):
                row[-1] = end
            if row[1] == padding:
                row[1] = end
        rows.append(row)
    return rows


def conditionings(base: "Base", texts: Sequence[str], how: HowRead) -> "list[Conditioning]":
    """Return {"text": shape (L, D)} of each text, and {"pooled": (D,)} where it is used, float32.

    Where a text encoder learns each reads all texts and chunks at once. Else they are read one by
    one, since the size of a batch decides the last bits, and states are kept.
    """
    import torch

    learns = base.text_learns()
    states: list[list[Tensor]] = [[] for _ in texts]
    pooled: list[list[Tensor]] = [[] for _ in texts]
    for one in how.readings:
        reading, encoder = one.earlier(how.clip_skip), base.encoders[one.encoder]
        tokenizer, length = base.tokenizers[one.tokenizer], length_of(encoder)
        tokens = [
            tokens_of(tokenizer, text, length, how.chunks, weights=how.weighted) for text in texts
        ]
        rows = [row for each in tokens for row in each.rows]
        with torch.set_grad_enabled(learns):
            states_BLD, pooled_BD = _read(encoder, rows, reading, base.device, learns)
        for n, each in enumerate(tokens):
            first = n * how.chunks
            states[n].append(_whole(states_BLD[first : first + how.chunks], each.weights))
            pooled[n] += [] if pooled_BD is None else [pooled_BD[first]]
    return [
        {"text": torch.cat(each, dim=-1)} | ({"pooled": torch.cat(own)} if own else {})
        for each, own in zip(states, pooled, strict=True)
    ]


def _read(
    encoder: Any, rows: list[list[int]], reading: TextReading, device: str, together: bool
) -> "tuple[Tensor, Tensor | None]":
    """Return the states of chunks, shape (B, L, D), and the pooled states, (B, D), if used."""
    import torch

    size = len(rows) if together else 1
    states: list[Tensor] = []
    pooled: list[Tensor] = []
    for first in range(0, len(rows), size):
        ids_BL = moved(torch.tensor(rows[first : first + size]), device)
        answer = encoder(ids_BL, output_hidden_states=reading.layer > 1)
        state_BLD = answer.last_hidden_state
        if reading.layer > 1:
            state_BLD = answer.hidden_states[-reading.layer]
            if reading.normed:
                state_BLD = _inner(encoder).final_layer_norm(state_BLD)
        states.append(state_BLD.float())
        pooled += [answer.text_embeds.float()] if reading.pooled else []
    return torch.cat(states), torch.cat(pooled) if pooled else None


def _whole(states_CLD: "Tensor", weights: list[float]) -> "Tensor":
    """Return the states of a text's chunks as one, shape (L, D), each times its token's weight.

    The multiplication is that of kohya's scripts; the pooled state has no weights.
    """
    import torch

    found_LD = states_CLD[0]
    if len(states_CLD) > 1:
        inner = [state_LD[1:-1] for state_LD in states_CLD]
        found_LD = torch.cat([states_CLD[0][:1], *inner, states_CLD[-1][-1:]])
    if any(weight != 1 for weight in weights):
        found_LD = found_LD * moved(torch.tensor(weights), str(found_LD.device))[:, None]
    return found_LD


def length_of(encoder: Any) -> int:
    """Return how many tokens an encoder reads at once, marks among them."""
    return int(encoder.config.max_position_embeddings)


def _inner(encoder: Any) -> Any:
    """Return the network within an encoder: with a projection it is one level down."""
    return getattr(encoder, "text_model", encoder)
