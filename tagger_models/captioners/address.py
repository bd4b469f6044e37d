"""Where a server is and the key it wants, as a person gives them: checked before any request."""

from urllib.parse import urlsplit

from prep.runtime.errors import ConfigError

KEY_VARIABLE = "PREP_API_KEY"


def checked_url(url: str) -> str:
    """Return the base address of a server, without what follows it in requests.

    Raises:
        ConfigError: It is no such address, or holds a password, which would be written down.
    """
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # as it is looked up: an empty label is an error
        good = good and url.strip().isprintable() and " " not in url.strip()
    except ValueError:
        good, parts = False, urlsplit("")
    if not good:
        raise ConfigError(
            f"`{url}` is not the address of a server", "write it like `http://localhost:1234/v1`"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            "the address of the server has more than host and path",
            f"put a key into the environment variable {KEY_VARIABLE}, not into the address",
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path}"


def checked_key(key: str) -> str:
    """Return a key without the spaces and line ends around it, which files and shells add.

    Raises:
        ConfigError: It has characters that no request can carry.
    """
    plain = key.strip()
    if not plain.isascii() or not plain.isprintable():
        raise ConfigError(
            f"the key in the environment variable {KEY_VARIABLE} has characters that no key has",
            "copy it again: letters, digits and signs, without quotes around it",
        )
    return plain
