from pathlib import Path

import pytest

from prep.models.locate import Ask, Models
from prep.runtime.errors import ModelFileError
from tests.prep.model_folders import ASK, FIRST, HUB, SECOND, at, tensors, told


def hub_cache(cache: Path, revision: str, content: dict[str, bytes], name: str = HUB) -> Path:
    """Lay files out as the hub's client does: blobs, and a snapshot of links to them."""
    repo = cache / f"models--{name.replace('/', '--')}"
    snapshot = repo / "snapshots" / revision
    for folder in (repo / "refs", repo / "blobs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (repo / "refs" / "main").write_text(revision, encoding="ascii")
    for file, data in content.items():
        (repo / "blobs" / f"{revision}-{file}").write_bytes(data)
        (snapshot / file).symlink_to(f"../../blobs/{revision}-{file}")
    return snapshot


def test_a_hub_id_offline(models: Models) -> None:
    """Without a local copy and a network: the files to fetch, and what to do with them."""
    message, hint = told(models, ASK)

    assert message == "the tagger `someone/tagger` is not on this machine and cannot be downloaded"
    assert hint == (
        "fetch model.safetensors, labels.csv from https://huggingface.co/someone/tagger into a "
        "folder and give the folder's path as the model, or use `tiny` to try things out"
    )


def test_a_hub_id_in_the_cache(models: Models, tmp_path: Path) -> None:
    """A model that was downloaded before is found offline, as a folder of its own digest."""
    content = {"model.safetensors": tensors(), "labels.csv": b"a\n"}
    snapshot = hub_cache(tmp_path / "cache", FIRST, content)
    found = models.find(ASK)

    assert found.path == snapshot
    assert [path.name for path, _, _ in found.files] == ["labels.csv", "model.safetensors"]
    (tmp_path / "plain").mkdir()
    for name, data in content.items():
        (tmp_path / "plain" / name).write_bytes(data)
    assert models.digest(found) == models.digest(models.find(at(tmp_path / "plain")))


def test_a_download_that_stopped_half_way(models: Models, tmp_path: Path) -> None:
    """A cache that lacks a needed file is no local copy: offline, the person is told to fetch."""
    hub_cache(tmp_path / "cache", FIRST, {"labels.csv": b"a\n"})

    message, _ = told(models, ASK)

    assert message == "the tagger `someone/tagger` is not on this machine and cannot be downloaded"


def test_the_first_revision_is_pinned(models: Models, tmp_path: Path) -> None:
    """Row 49: what the hub publishes later under the same name does not change a dataset."""
    first = hub_cache(
        tmp_path / "cache", FIRST, {"model.safetensors": tensors(), "labels.csv": b"a\n"}
    )
    before = models.digest(models.find(ASK))
    hub_cache(
        tmp_path / "cache", SECOND, {"model.safetensors": tensors(b"new!"), "labels.csv": b"b\n"}
    )

    again = Models(models.home, offline=True, hub_cache=models.hub_cache)

    assert again.find(ASK).path == first
    assert again.digest(again.find(ASK)) == before


def test_a_revision_by_name_has_its_own_pin(models: Models, tmp_path: Path) -> None:
    """A row that names a revision is not measured by the digests of another one."""
    for revision, data in ((FIRST, b"old!"), (SECOND, b"new!")):
        content = {"model.safetensors": tensors(data), "labels.csv": b"a\n"}
        hub_cache(tmp_path / "cache", revision, content)
    newest = models.digest(models.find(ASK))

    older = models.find(Ask(ASK.kind, HUB, ASK.patterns, FIRST, ASK.needs))

    assert older.path.name == FIRST
    assert models.digest(older) != newest
    assert models.digest(models.find(ASK)) == newest


def pinned(models: Models, cache: Path) -> Path:
    """Return the weights of a hub model that was met before."""
    content = {"model.safetensors": tensors(), "labels.csv": b"a\n"}
    snapshot = hub_cache(cache, FIRST, content)
    models.digest(models.find(ASK))
    return (snapshot / "model.safetensors").resolve()


@pytest.mark.parametrize("damage", ["replaced", "one bit"])
def test_weights_that_are_not_the_pinned_ones(models: Models, tmp_path: Path, damage: str) -> None:
    """Rows 49 and 52: other weights, by one bit, are refused before they are loaded."""
    weights = pinned(models, tmp_path / "cache")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1 if damage == "one bit" else 0xFF
    weights.write_bytes(data)
    again = Models(models.home, offline=True, hub_cache=models.hub_cache)

    with pytest.raises(ModelFileError) as raised:
        again.digest(again.find(ASK))

    import hashlib

    old, new = (hashlib.sha256(each).hexdigest()[:12] for each in (tensors(), bytes(data)))
    assert str(raised.value) == (
        "`model.safetensors` of someone/tagger is not the file that was pinned: "
        f"expected {old}, found {new}"
    )
    assert raised.value.hint == (
        "delete it and fetch it again, or remove someone/tagger from "
        f"`{tmp_path / 'home' / 'pins.json'}` to accept the new one"
    )


def test_files_asked_for_later_are_pinned_too(models: Models, tmp_path: Path) -> None:
    """Row 49: a second stage that needs more files of a model adds them to the pin."""
    pinned(models, tmp_path / "cache")
    extra = hub_cache(tmp_path / "cache", FIRST, {"extra.json": b"{}"}) / "extra.json"
    before = models.digest(models.find(ASK))
    extra.resolve().write_bytes(b"[]")

    with pytest.raises(ModelFileError, match=r"`extra\.json` of someone/tagger is not the file"):
        models.digest(models.find(ASK))

    extra.resolve().write_bytes(b"{}")
    assert models.digest(models.find(ASK)) == before
