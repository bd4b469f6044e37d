"""Texts that people write: from bytes and to bytes, and the characters that are refused."""

import codecs
import unicodedata


class TextError(Exception):
    """Text that prep will not read as if it were sound.

    Attributes:
        kind: `encoding` (not UTF-8, nor UTF-16 with a BOM) or `control` (a NUL, another control
            character or half of a surrogate pair).
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class FileText(str):
    """The text of a file that a param names.

    Attributes:
        name: The file as the person named it, for messages.
    """

    name: str

    def __new__(cls, text: str, name: str) -> "FileText":
        """Return a text that knows its file."""
        made = super().__new__(cls, text)
        made.name = name
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Return what a copy in another process is made of."""
        return str(self), self.name


def file_name(text: str, usual: str) -> str:
    """Return the name of the file that a param's text is from; `usual` where none is known."""
    return text.name if isinstance(text, FileText) else usual


def decode(data: bytes) -> str:
    """Return the text of a sidecar: UTF-8 with or without BOM, or UTF-16 with one; LF line ends.

    Raises:
        TextError: It is anything else, or holds control characters; nothing is guessed.
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        name = "UTF-16" if wide else "UTF-8"
        raise TextError("encoding", f"it is not {name} at byte {error.start}") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    check_text(text)
    return text


def encode(text: str) -> bytes:
    """Return text as prep writes it: UTF-8 without BOM, LF, one final newline.

    Raises:
        TextError: The text holds control characters, which `decode` would refuse.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    check_text(lines)
    return lines.encode()


def check_text(text: str) -> None:
    """Raise TextError where a person's text holds a NUL, control or lone surrogate."""
    bad = next((char for char in text if _is_control(char)), None)
    if bad is not None:
        line = text[: text.index(bad)].count("\n") + 1
        raise TextError("control", f"line {line} holds the control character U+{ord(bad):04X}")


def without_controls(text: str) -> str:
    """Return a machine's text without NUL, control characters and lone surrogates."""
    return "".join(char for char in text if not _is_control(char))


def _is_control(char: str) -> bool:
    return char not in "\n\r\t" and unicodedata.category(char) in ("Cc", "Cs")
