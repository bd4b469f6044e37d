"""A captioner over transformers: pictures and prompts in, answers out. Opens no file."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.images.fitting import Resize
from prep.models.devices import usual_batch
from prep.runtime.errors import ModelFileError
from tagger_models.captioners.captioner import Decoding, End, Reply, Trouble
from tagger_models.captioners.families import SERVE

if TYPE_CHECKING:
    from PIL import Image

    from tagger_models.captioners.families import CaptionerFamily

_TOP_P = 0.9  # where tokens are drawn: from the likeliest that make up this share


@dataclass(frozen=True)
class LocalCaptioner:
    """An opened model with its processor.

    Attributes:
        family: How it is asked and read.
        device: cpu or cuda.
        fit: The steps that pictures have gone through before they are given.
    """

    family: "CaptionerFamily"
    device: str
    _model: Any
    _processor: Any
    fit: tuple[Resize, ...] = ()

    @property
    def usual_batch(self) -> int:
        """How many pictures a call takes where nobody said."""
        return usual_batch(self.device == "cpu")

    def caption(
        self,
        images: Sequence["Image.Image"],
        prompts: Sequence[str],
        seeds: Sequence[int],
        decoding: Decoding,
    ) -> list[Reply | Trouble]:
        """Return one answer per upright RGB image; the same call gives the same words.

        Pictures are computed together where that decides nothing: all have one prompt, which
        `decoding.alone` denies, and take equally many tokens, as in all families with a row.
        Without special tokens and without space at its ends, an answer can be empty.

        Args:
            images: In the order of the answers.
            prompts: Per picture, what is asked, or how its caption begins; empty for the usual.
            seeds: Per picture, 63 bits; used only where tokens are drawn.
            decoding: The same for all.

        Raises:
            ModelFileError: Its chat template takes no picture.
            ValueError: The prompt is no task of the model.
        """
        drawn = decoding.temperature > 0
        if not (decoding.alone or drawn or self.family.reads == "asked"):
            return [*self._answers(images, prompts[0], decoding)] if images else []
        said: dict[int, Reply | Trouble] = {}  # a batch is filled up with its last picture again
        for image, prompt, seed in zip(images, prompts, seeds, strict=True):
            if id(image) not in said:
                with _seeded(seed, self.device):
                    said[id(image)] = self._answers([image], prompt, decoding)[0]
        return [said[id(image)] for image in images]

    def _answers(
        self, images: Sequence["Image.Image"], prompt: str, decoding: Decoding
    ) -> list[Reply | Trouble]:
        import torch

        with quiet(), torch.inference_mode():
            inputs = self._inputs(images, prompt or self.family.usual)
            begun = inputs["input_ids"].shape[1] - self.family.dropped
            if self._model.config.is_encoder_decoder or self._text_config().is_encoder_decoder:
                begun = 1
            room = self._room(begun, decoding.max_new_tokens)
            if room < 1:
                why = f"its prompt of {begun} tokens leaves no room for an answer"
                return [Trouble(why, "a shorter `--prompt`, or another model")] * len(images)
            found = self._model.generate(
                **inputs.to(self.device, self._model.dtype),
                max_new_tokens=room,
                **self._choosing(decoding),
            )
        return [self._answer(tokens, begun, room) for tokens in found.tolist()]

    def _inputs(self, images: Sequence["Image.Image"], prompt: str) -> Any:
        import torch

        tokenizer = self._processor.tokenizer
        if self.family.reads == "asked":
            text = self._chat(prompt)
            # Most templates write the first token; the tokenizer would write it again.
            again = tokenizer.bos_token and text.startswith(tokenizer.bos_token)
            return self._processor(
                images=list(images), text=[text], add_special_tokens=not again, return_tensors="pt"
            )
        if not self.family.first:
            texts = [prompt] * len(images)
            return self._processor(images=list(images), text=texts, return_tensors="pt")
        inputs = self._processor(images=list(images), return_tensors="pt")
        words = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        row = [tokenizer.convert_tokens_to_ids(self.family.first), *words]
        inputs["input_ids"] = torch.tensor([row] * len(images))
        return inputs

    def _chat(self, prompt: str) -> str:
        """Return the text of a conversation in which a picture and a question were given.

        Templates take the two as parts; some older ones take the question alone and put the
        picture before it.
        """
        from jinja2 import TemplateError

        parts = [{"type": "image"}, {"type": "text", "text": prompt}]
        mark = getattr(self._processor, "image_token", None)
        for content in (parts, prompt):
            try:
                text: str = self._processor.apply_chat_template(
                    [{"role": "user", "content": content}], add_generation_prompt=True
                )
            except (TemplateError, TypeError):
                continue
            shown = mark is None or str(mark) in text
            if prompt in text and shown and str(parts[0]) not in text:  # no code for the parts
                return text
        raise ModelFileError("the model's chat template takes no picture with a question", SERVE)

    def _choosing(self, decoding: Decoding) -> dict[str, Any]:
        """Return how `generate` is to choose tokens."""
        how: dict[str, Any] = {"do_sample": False, "num_beams": decoding.beams}
        if decoding.temperature > 0:
            how = {"do_sample": True, "num_beams": 1, "top_p": _TOP_P, "top_k": 0}
            how["temperature"] = decoding.temperature
        banned = self._banned(decoding.forbid)
        return how | ({"bad_words_ids": banned} if banned else {})

    def _banned(self, words: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each forbidden word, alone and after a space, small and capital."""
        tokenizer = self._processor.tokenizer
        found: dict[tuple[int, ...], None] = {}
        for word in words:
            for form in (word, word.lower(), word[:1].upper() + word[1:]):
                for text in (form, f" {form}"):
                    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
                    if tokens and tokenizer.unk_token_id not in tokens:
                        found[tuple(tokens)] = None
        return [list(tokens) for tokens in found]

    def _room(self, begun: int, wanted: int) -> int:
        """Return how many tokens an answer may have; under 1 where a prompt leaves none."""
        most = getattr(self._text_config(), "max_position_embeddings", None)
        return wanted if most is None else min(wanted, most - begun - 1)

    def _text_config(self) -> Any:
        return self._model.config.get_text_config(decoder=True)

    def _answer(self, tokens: list[int], begun: int, room: int) -> Reply:
        tokenizer, settings = self._processor.tokenizer, self._model.generation_config
        new, ends = tokens[begun:], self._ends()
        at = next((place for place, token in enumerate(new) if token in ends), len(new))
        forced = settings.forced_eos_token_id is not None and at == room - 1
        end = End.CUT if forced or at >= room else End.DONE
        known = tokenizer.get_vocab()
        marks = {known[mark] for mark in self.family.marks if mark in known}
        kept = tokens[: begun + at] if self._repeats_the_prompt() else new[:at]
        kept = [token for token in kept if token not in marks]
        return Reply(tokenizer.decode(kept, skip_special_tokens=True).strip(), end)

    def _repeats_the_prompt(self) -> bool:
        return self.family.reads == "continues" and not self._text_config().is_encoder_decoder

    def _ends(self) -> set[int]:
        """Return the tokens at which an answer ends."""
        tokenizer, text = self._processor.tokenizer, self._text_config()
        ends = self._model.generation_config.eos_token_id
        found = set(ends if isinstance(ends, list) else [ends])
        found |= {getattr(text, "eos_token_id", None), getattr(text, "sep_token_id", None)}
        found |= {tokenizer.eos_token_id, tokenizer.sep_token_id}
        return {end for end in found if isinstance(end, int)}


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """Let torch draw from one picture's seed, and go on afterwards as if nothing was drawn."""
    import torch

    devices = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing advice for programmers and bars of its own."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(50)  # critical
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
