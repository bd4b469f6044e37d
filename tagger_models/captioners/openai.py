"""A captioner that asks a server: vLLM, LM Studio, ollama, or whatever speaks OpenAI's chat.

The server decides what a name of a model means; this module knows none.
"""

import base64
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prep.images.fitting import AT_MOST, Resize, fitted
from prep.models.locate import Ask
from prep.runtime.errors import ConfigError, MachineError
from tagger_models.captioners.address import checked_key, checked_url
from tagger_models.captioners.captioner import DEFAULT, Decoding, End, Reply, Trouble
from tagger_models.captioners.openai_client import chat
from tagger_models.captioners.prompt_templates import PRESETS
from tagger_models.captioners.server_request import Server, UnansweredError

if TYPE_CHECKING:
    from PIL import Image

_TROUBLES = 5  # in a row, and it is the server that has to be looked at
_QUALITY = 95  # of the JPEG; with the colours at full size
_TOP_P = 0.9
_ENDS = {"length": End.CUT, "content_filter": End.REFUSED}


@dataclass
class EndpointCaptioner:
    """A server with what it is sent; may be called by several threads at once.

    Attributes:
        image_size: px; a picture whose longer side is larger is made smaller before it is sent.
    """

    server: Server
    image_size: int = 1024
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _troubles: int = 0

    @property
    def fit(self) -> tuple[Resize, ...]:
        """The step that `small_jpeg` begins with."""
        return (_smaller(self.image_size),)

    def caption(
        self,
        images: Sequence["Image.Image"],
        prompts: Sequence[str],
        seeds: Sequence[int],
        decoding: Decoding,
    ) -> list[Reply | Trouble]:
        """Return one answer per upright RGB image, as `LocalCaptioner` does. Beams are not asked.

        Raises:
            UserError: No server is there, it knows neither key nor model, or five pictures in a
                row got no answer.
        """
        each = zip(images, prompts, seeds, strict=True)
        return [self._one(image, prompt, seed, decoding) for image, prompt, seed in each]

    def _one(
        self, image: "Image.Image", prompt: str, seed: int, decoding: Decoding
    ) -> Reply | Trouble:
        payload = request(self.server.model, small_jpeg(image, self.image_size), prompt, decoding)
        if decoding.temperature > 0:
            payload |= {"seed": seed % 2**31, "top_p": _TOP_P}
        try:
            found = answer_in(chat(self.server, payload))
        except UnansweredError as error:
            return self._trouble(Trouble(str(error), error.hint))
        with self._lock:
            self._troubles = 0
        key = self.server.key
        return Reply(found.text.replace(key, "[key]"), found.end) if key else found

    def _trouble(self, trouble: Trouble) -> Trouble:
        with self._lock:
            self._troubles += 1
            many = self._troubles >= _TROUBLES
        if many:
            raise MachineError(
                f"{_TROUBLES} pictures in a row got no answer: {trouble.why}", trouble.hint
            )
        return trouble


def ask_endpoint(url: str, model: str) -> Ask:
    """Return what stands for the model of a server in recipes: its name there, not the address.

    Raises:
        ConfigError: The address is none, or no model is named.
    """
    checked_url(url)
    if model in (DEFAULT, ""):
        raise ConfigError(
            f"the model of the server at `{url}` is not named",
            "add `--model` with the name that the server has for it",
        )
    return Ask(kind="captioner", name=model, remote=True, facts=f"the server's model {model}")


def request(model: str, jpeg: bytes, prompt: str, decoding: Decoding) -> dict[str, Any]:
    """Return the body of a request: one picture and one question.

    Args:
        model: As the server names it.
        jpeg: The picture's file.
        prompt: What is asked; empty for the preset `sentence`.
        decoding: `max_new_tokens`, `temperature` and `forbid` are sent, the last in words.
    """
    text = prompt or PRESETS["sentence"]
    if decoding.forbid:
        text += f" Do not use these words: {', '.join(decoding.forbid)}."
    picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    content = [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "text", "text": text},
    ]
    return {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "stream": False,
    }


def _smaller(size: int) -> Resize:
    return Resize(AT_MOST, "LANCZOS", size=size)


def small_jpeg(image: "Image.Image", size: int) -> bytes:
    """Return an RGB picture as JPEG, its longer side at most `size` px; none is made larger."""
    file = io.BytesIO()
    fitted(image, (_smaller(size),)).save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()


def answer_in(found: dict[str, Any]) -> Reply:
    """Return the words of a chat's first choice, and how it ended.

    Raises:
        UnansweredError: It has not the form of a choice.
    """
    choice = found["choices"][0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise UnansweredError("the answer has no message", "is it an OpenAI-compatible server?")
    end = _ENDS.get(str(choice.get("finish_reason")), End.DONE)
    refusal, content = message.get("refusal"), message.get("content")
    if isinstance(refusal, str) and refusal:
        return Reply(_whole(refusal), End.REFUSED)
    if isinstance(content, list):  # some servers answer in parts
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    return Reply(_whole(content) if isinstance(content, str) else "", end)


def _whole(text: str) -> str:
    """Return a text without halves of characters, which JSON can name and no file can hold."""
    return text.encode("utf-8", "ignore").decode()


def open_endpoint(url: str, model: str, key: str, timeout_s: float, image_size: int) -> Any:
    """Return the captioner of a server; nothing is asked of it yet.

    Raises:
        ConfigError: The address or the key is none.
    """
    server = Server(checked_url(url), model, checked_key(key), timeout_s)
    return EndpointCaptioner(server, image_size)
