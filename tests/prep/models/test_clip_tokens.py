from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinyworld
from prep.models.clip_tokens import token_counter
from prep.models.tokenizer import shipped_tokenizer
from prep.runtime.errors import ModelFileError

TINY = Path(tinyworld.__file__).parent / "models" / "base" / "tokenizer"
OURS, THEIRS = token_counter(None), shipped_tokenizer()
TEXTS = [
    "", "mascot", "1girl, solo, long hair", "it's they'll", "a<|endoftext|>b", "  two   spaces ",
    "\u732b \u72ac, \u3042", "\U0001f600 \u00e9 e\u0301", "(word:1.2) [x] {a|b}", "A" * 300,
    "12345",
]  # fmt: skip


def counted(tokenizer: Any, texts: list[str]) -> list[int]:
    """Return what transformers says, the marks at either end left out."""
    return [len(tokenizer(text, verbose=False).input_ids) - 2 for text in texts]


@pytest.mark.parametrize("text", TEXTS)
def test_it_counts_as_transformers_does(text: str) -> None:
    """The shipped tokenizer counts what CLIPTokenizer counts."""
    assert OURS([text]) == counted(THEIRS, [text])


@given(st.text(max_size=60))
def test_any_text_is_counted_alike(text: str) -> None:
    """Of any text the number is that of CLIPTokenizer."""
    assert OURS([text]) == counted(THEIRS, [text])


@pytest.mark.parametrize("saved", [False, True])
def test_a_folder_s_own_tokenizer_is_taken(tmp_path: Path, saved: bool) -> None:
    """By vocab.json and merges.txt, and by the tokenizer.json that today's transformers writes."""
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer.from_pretrained(str(TINY), local_files_only=True)
    folder = TINY
    if saved:
        folder = tmp_path / "tokenizer"
        theirs.save_pretrained(str(folder))
        assert (folder / "tokenizer.json").is_file()

    assert token_counter(folder)(TEXTS) == counted(theirs, TEXTS)


def test_a_damaged_tokenizer_is_two_lines(tmp_path: Path) -> None:
    """A folder without its files, or with others, is told with what to do."""
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.json").write_text("[]")

    with pytest.raises(ModelFileError) as caught:
        token_counter(tmp_path / "tokenizer")

    assert (str(caught.value), caught.value.hint) == (
        f"the tokenizer in `{tmp_path}` cannot be opened", "fetch its files again",
    )  # fmt: skip
