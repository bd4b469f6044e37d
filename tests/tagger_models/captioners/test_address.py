import pytest

from prep.runtime.errors import ConfigError
from tagger_models.captioners.address import checked_key, checked_url


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://localhost:1234/v1", "http://localhost:1234/v1"),
        (" https://api.example.test/v1/ ", "https://api.example.test/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://10.0.0.2/v1/chat/completions", "http://10.0.0.2/v1"),
    ],
)
def test_addresses(url: str, base: str) -> None:
    """An address is taken as people copy it."""
    assert checked_url(url) == base


@pytest.mark.parametrize(
    "url",
    [
        "localhost:1234/v1",
        "",
        "ftp://a/v1",
        "http://",
        "http://[",
        "http://a:b/v1",
        "a b",
        "http://a b/v1",
        "http://a..b/v1",
        f"http://{'a' * 64}/v1",
        "http://a/\x01",
    ],
)
def test_what_is_no_address(url: str) -> None:
    """What is no address is told with one that is."""
    with pytest.raises(ConfigError) as told:
        checked_url(url)

    assert str(told.value) == f"`{url}` is not the address of a server"
    assert told.value.hint == "write it like `http://localhost:1234/v1`"


@pytest.mark.parametrize(
    "url", ["http://me:pass@host/v1", "https://host/v1?key=1", "http://host/v1#x"]
)
def test_an_address_holds_no_password(url: str) -> None:
    """What would be written down with the address is refused, and not repeated."""
    with pytest.raises(ConfigError) as told:
        checked_url(url)

    assert str(told.value) == "the address of the server has more than host and path"
    assert told.value.hint == (
        "put a key into the environment variable PREP_API_KEY, not into the address"
    )


@pytest.mark.parametrize("key", ["sk-1", " sk-1", "sk-1\r\n", "\tsk-1\n"])
def test_a_key_with_a_line_end(key: str) -> None:
    """A key comes as files and shells give it; what stands around it is not sent."""
    assert checked_key(key) == "sk-1"


@pytest.mark.parametrize("key", ["\u201csk-1\u201d", "sk-1\nsk-2", "sk\x01"])
def test_what_is_no_key(key: str) -> None:
    """A key that no request can carry is told before anything is asked, and not shown."""
    with pytest.raises(ConfigError) as told:
        checked_key(key)

    assert (str(told.value), told.value.hint) == (
        "the key in the environment variable PREP_API_KEY has characters that no key has",
        "copy it again: letters, digits and signs, without quotes around it",
    )
