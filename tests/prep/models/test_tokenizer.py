from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.models.tokenizer import CHUNKS, counter, shipped_tokenizer
from prep.runtime.errors import ModelFileError

# The ids that openai/CLIP gives "a photo of a cat" are 320 1125 539 320 2368.
KNOWN = {"a photo of a cat": 5, "": 0, "  A  PHOTO of a cat ": 5}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("home"), offline=True)


def test_clip_s_own_tokens_are_counted(models: Models) -> None:
    """Without a base model, CLIP's own tokenizer counts, marks at both ends left out."""
    assert counter(models)(list(KNOWN)) == list(KNOWN.values())
    assert counter(models)([]) == []


def test_a_chunk_is_what_the_text_encoder_sees(models: Models) -> None:
    """A text of 75 counted tokens fills the 77 places of a chunk; one more would be cut."""
    (most, *_), cat = CHUNKS, "cat, "
    full = shipped_tokenizer()

    for tokens in (most, most + 1):
        text = (cat * tokens)[: 5 * (tokens // 2)] + "cat" * (tokens % 2)
        assert counter(models)([text]) == [tokens]
        assert len(full(text).input_ids) == tokens + 2


def test_a_base_model_counts_by_its_own_tokenizer(models: Models) -> None:
    """The stand-in base has a tokenizer of its own; a single file has none, so CLIP's counts."""
    text = "a most extraordinary photograph"
    own, clip = counter(models, "tiny"), counter(models, "model.safetensors")

    assert own([text])[0] > clip([text])[0] == 4


def test_a_base_model_without_a_tokenizer_is_two_lines(models: Models, tmp_path: Path) -> None:
    """What lacks or is damaged is named with what to do, as for every model."""
    with pytest.raises(ModelFileError, match="is not a base: it has none of tokenizer/"):
        counter(models, str(tmp_path))
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "merges.txt").write_text("#version\n")
    with pytest.raises(ModelFileError) as told:
        counter(models, str(tmp_path))
    assert str(told.value) == f"the tokenizer in `{tmp_path}` cannot be opened"
    assert told.value.hint == "fetch its files again"
