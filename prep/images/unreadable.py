"""Why a file gives no picture, in a person's words, from whatever a decoder raises."""

from collections.abc import Iterator
from contextlib import contextmanager

from prep.images import unsupported

MAX_PIXELS = 112_000_000  # two copies of it fit into the memory of one decoder
# Kind and reason of a picture for which memory ran out.
NO_MEMORY = ("resource-limit", "decoding it takes too much memory")


class Unreadable(Exception):  # noqa: N818 - it reads as what the picture is
    """A file that gives no picture.

    Attributes:
        kind: empty-file, truncated, not-an-image, format-not-allowed, not-supported,
            too-many-pixels, resource-limit, missing, io-error, decode-error, or transparent
            for one that has to be opaque.
        why: The reason as a person reads it; the same for the same bytes.
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(kind, why)
        self.kind, self.why = kind, why


def damaged(kind: str, data: bytes, error: Exception) -> Unreadable:
    """Return what is wrong with a file that began well: not ours to read, cut short, or broken."""
    size, tail = len(data), data[-64:]
    ends = {
        "PNG": b"IEND" in tail,
        "JPEG": b"\xff\xd9" in tail,
        "GIF": tail.endswith(b"\0;"),
        "WEBP": size >= 8 + int.from_bytes(data[4:8], "little"),
        "BMP": size >= int.from_bytes(data[2:6], "little"),
        "TIFF": size > int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big"),
    }
    # These two can lack pixels although their end looks whole; of the others it tells all.
    unsure = kind in ("TIFF", "GIF") or not ends.get(kind)
    said = "truncated" in str(error).lower() and unsure
    if said or ends.get(kind) is False:
        return Unreadable("truncated", f"the {kind} ends too early, after {size} bytes")
    if "MAX_TEXT" in str(error):
        return Unreadable("resource-limit", f"the text in the {kind} is too large")
    feature = unsupported.feature(kind, data)
    if feature and (kind != "TIFF" or "cannot identify" in str(error)):
        return not_supported(feature)
    name = "broken header" if "cannot identify" in str(error) else _sentence(error)
    return Unreadable("decode-error", f"the {kind} is damaged: {name}")


@contextmanager
def unreadable() -> Iterator[None]:
    """Turn whatever a decoder raises into Unreadable: hostile files raise nearly everything."""
    from PIL.Image import DecompressionBombError

    try:
        yield
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable(*NO_MEMORY) from None
    except DecompressionBombError as error:
        raise too_large(str(error).partition("(")[2].partition(" ")[0] + " px") from None
    except FileNotFoundError:
        raise Unreadable("missing", "the file is gone") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise Unreadable("io-error", error.strerror or str(error)) from error
        if "MAX_TEXT" in str(error):
            raise Unreadable("resource-limit", "the text in the file is too large") from error
        raise Unreadable("decode-error", _sentence(error)) from error


def too_large(size: str) -> Unreadable:
    """Return why a picture of this size (as `9x9 px`) is not decoded."""
    limit = f"at most {MAX_PIXELS // 1_000_000} megapixels are decoded"
    return Unreadable("too-many-pixels", f"{size}, {limit}")


def not_supported(form: str) -> Unreadable:
    """Return why a sound picture that holds what we cannot read is not decoded."""
    return Unreadable("not-supported", f"{form} is not supported: save it as PNG or JPEG")


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
