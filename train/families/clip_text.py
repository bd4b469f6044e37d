"""Texts as CLIP encoders read them: chunks of 75 tokens, a state for each token.

Letters: B batch, L tokens, D features.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py `get_input_ids` and
`get_hidden_states`, library/sdxl_train_util.py: a text of more than 75 tokens is cut into chunks
with a mark at either end of each, and the states are joined without the marks in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

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


def states_of(
    encoder: Any, tokens: TokenRows, reading: TextReading, device: str
) -> "tuple[Tensor, Tensor | None]":
    """Return the state of each token, shape (L, D), float32, and the pooled state, (D,), if used.

    The state of a token is multiplied by its weight, as kohya's scripts do; the pooled one is not.
    Chunks are read one at a time: a batch's size would decide the last bits.
    """
    import torch

    states: list[Tensor] = []
    pooled: Tensor | None = None
    early = reading.layer > 1
    for row in tokens.rows:
        answer = encoder(torch.tensor([row], device=device), output_hidden_states=early)
        state_BLD = answer.last_hidden_state
        if early:
            state_BLD = answer.hidden_states[-reading.layer]
            if reading.normed:
                state_BLD = _inner(encoder).final_layer_norm(state_BLD)
        states.append(state_BLD[0].float())
        if reading.pooled and pooled is None:
            pooled = answer.text_embeds[0].float()
    found_LD = states[0]
    if len(states) > 1:
        inner = [state_LD[1:-1] for state_LD in states]
        found_LD = torch.cat([states[0][:1], *inner, states[-1][-1:]])
    if any(weight != 1 for weight in tokens.weights):
        found_LD = found_LD * torch.tensor(tokens.weights, device=device)[:, None]
    return found_LD, pooled


def conditioning(base: "Base", text: str, how: HowRead) -> "Conditioning":
    """Return {"text": shape (L, D)}, and {"pooled": shape (D,)} where it is used, float32."""
    import torch

    states, pooled = [], []
    for reading in how.readings:
        encoder, tokenizer = base.encoders[reading.encoder], base.tokenizers[reading.tokenizer]
        tokens = tokens_of(tokenizer, text, length_of(encoder), how.chunks, weights=how.weighted)
        with torch.set_grad_enabled(base.text_learns()):
            state_LD, own = states_of(encoder, tokens, reading.earlier(how.clip_skip), base.device)
        states.append(state_LD)
        pooled += [] if own is None else [own]
    found = {"text": torch.cat(states, dim=-1)}
    return found | ({"pooled": torch.cat(pooled)} if pooled else {})


def length_of(encoder: Any) -> int:
    """Return how many tokens an encoder reads at once, marks among them."""
    return int(encoder.config.max_position_embeddings)


def _inner(encoder: Any) -> Any:
    """Return the network within an encoder: with a projection it is one level down."""
    return getattr(encoder, "text_model", encoder)
