import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from prep.models.locate import Ask, FoundModel, Models, user_home
from tests.prep.model_folders import at, tensors, told


def aged(folder: Path) -> None:
    """Make files old enough that their times can be trusted (ctime cannot be set: wait)."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (1e9, 1e9))
    time.sleep(2.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a model's folder with one file that is none of the model's."""
    found = tmp_path / "mine"
    found.mkdir()
    (found / "model.safetensors").write_bytes(tensors())
    (found / "labels.csv").write_text("a\n", encoding="utf-8")
    (found / "README.md").write_text("hello", encoding="utf-8")
    return found


def test_a_folder_is_its_wanted_files(models: Models, folder: Path) -> None:
    """Only what makes up the model is found, in order; other files beside it decide nothing."""
    found = models.find(at(folder))

    assert found.path == folder
    assert [path.name for path, _, _ in found.files] == ["labels.csv", "model.safetensors"]
    assert found.size_bytes() == 2 + len(tensors())
    before = models.digest(found)
    (folder / "README.md").write_text("changed", encoding="utf-8")
    assert models.digest(models.find(at(folder))) == before


def test_a_single_file_is_found(models: Models, folder: Path) -> None:
    """A file that is named itself is the whole model."""
    found = models.find(Ask("base", str(folder / "model.safetensors"), ("*",)))

    assert [path for path, _, _ in found.files] == [folder / "model.safetensors"]


def test_tiny_is_a_folder_of_the_package(models: Models) -> None:
    """`tiny` is looked for among the models that ship with tinyworld, and is never pinned."""
    import tinyworld

    place = Path(tinyworld.__path__[0]) / "models" / "nosuchkind"

    assert told(models, Ask("nosuchkind", "tiny", ("model.onnx",))) == (
        "`tiny` is not a nosuchkind: it has none of model.onnx",
        "name a nosuchkind's folder, a hub id, or `tiny`",
    )
    assert not place.exists()


def test_what_is_said_of_a_model_is_part_of_it(models: Models, folder: Path) -> None:
    """The same files fed in another way are another model; without a word, the files decide."""
    fed = [replace(at(folder), facts=facts) for facts in ("", "", "RGB", "BGR")]
    first, again, rgb, bgr = (models.digest(models.find(ask)) for ask in fed)

    assert first == again == models.digest(models.find(at(folder)))
    assert len({first, rgb, bgr}) == 3


def test_the_digest_is_of_names_and_contents(models: Models, folder: Path, tmp_path: Path) -> None:
    """A copy elsewhere has the same digest; another byte or another name has another one."""
    first = models.digest(models.find(at(folder)))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("model.safetensors", "labels.csv"):
        (copy / name).write_bytes((folder / name).read_bytes())
    assert models.digest(models.find(at(copy))) == first

    (copy / "labels.csv").write_text("b\n", encoding="utf-8")
    second = models.digest(models.find(at(copy)))
    (copy / "extra.json").write_text("{}", encoding="utf-8")
    third = models.digest(models.find(at(copy)))
    assert len({first, second, third}) == 3


def test_a_file_is_read_once(models: Models, folder: Path, tmp_path: Path) -> None:
    """Digests are kept for the next run, by path and times; a lost store costs only time."""
    aged(folder)
    first = models.digest(models.find(at(folder)))
    store = tmp_path / "home" / "digests.json"
    kept = store.read_text(encoding="utf-8")
    assert str(folder / "labels.csv") in kept

    # A store that names another digest shows that the file itself is not read again.
    shifted = kept.replace('": "', '": "x')
    store.write_text(shifted, encoding="utf-8")
    assert Models(tmp_path / "home").digest(models.find(at(folder))) != first
    for damage in ("", "{", "[]"):
        store.write_text(damage, encoding="utf-8")
        assert Models(tmp_path / "home").digest(models.find(at(folder))) == first


def test_a_file_written_just_now_is_not_trusted_by_its_times(models: Models, folder: Path) -> None:
    """Rewritten at once with the same size and time, a model file has its new digest."""
    first = models.digest(models.find(at(folder)))
    times = (folder / "labels.csv").stat()
    (folder / "labels.csv").write_text("b\n", encoding="utf-8")
    os.utime(folder / "labels.csv", ns=(times.st_atime_ns, times.st_mtime_ns))

    assert models.digest(models.find(at(folder))) != first
    assert not (models.home / "digests.json").exists()


def test_known_says_whether_a_large_file_must_be_read(models: Models, tmp_path: Path) -> None:
    """A plan asks first: small files are always cheap, a large one only after it was read once."""
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(65 << 20)
    aged(folder)
    found = models.find(Ask("base", str(folder)))

    assert not models.known(found)
    models.digest(found)
    assert models.known(found)
    assert Models(models.home).known(found)


def test_a_model_replaced_during_a_run_is_noticed(models: Models, folder: Path) -> None:
    """Row 56: replaced, rewritten or removed, a model is no longer the one that was found."""
    found = models.find(at(folder))
    path = folder / "model.safetensors"
    assert found.unchanged()

    other = folder / "other"
    other.write_bytes(tensors(b"\5\6\7\x08"))
    os.utime(other, ns=(1, 1))
    other.replace(path)
    assert not found.unchanged()

    found = models.find(at(folder))
    assert found.unchanged()
    path.unlink()
    assert not found.unchanged()


@pytest.mark.parametrize(
    "name", ["./nowhere", "/no/such/place", "word", "a/b/c", "~/nowhere", "a\\b"]
)
def test_a_path_to_nowhere(models: Models, name: str) -> None:
    """What can be no hub id and is not on the disk is told at once, without the network."""
    assert told(Models(models.home), Ask("tagger", name)) == (
        f"there is no tagger at `{name}`",
        "name a folder, a hub id `owner/name`, or `tiny`",
    )


def test_a_folder_of_something_else(models: Models, tmp_path: Path) -> None:
    """A folder that holds nothing of such a model is told what was looked for."""
    (tmp_path / "pictures").mkdir()

    message, hint = told(models, at(tmp_path / "pictures"))

    assert message == (
        f"`{tmp_path / 'pictures'}` is not a tagger: it has none of model.safetensors, labels.csv"
    )
    assert hint == "name a tagger's folder, a hub id, or `tiny`"


def test_a_folder_that_lacks_a_file(models: Models, folder: Path) -> None:
    """A folder that was copied in part is told what it lacks; what is optional is not asked for."""
    (folder / "labels.csv").unlink()

    assert told(models, at(folder)) == (
        f"the tagger `{folder}` is not complete: it lacks labels.csv",
        f"put the missing files into `{folder}`",
    )


def test_where_a_persons_models_are_kept() -> None:
    """The data folder follows the platform's variable, and the home folder without one."""
    assert user_home({"XDG_DATA_HOME": "/x", "LOCALAPPDATA": "/y"}) == Path("/x/prep-and-train")  # type: ignore[arg-type]
    assert user_home({"LOCALAPPDATA": "/y"}) == Path("/y/prep-and-train")  # type: ignore[arg-type]
    assert user_home({}) == Path.home() / ".local" / "share" / "prep-and-train"  # type: ignore[arg-type]


def test_finding_a_folder_imports_nothing_heavy(folder: Path, tmp_path: Path) -> None:
    """A plan that names a local model loads neither the hub's client nor a library of models."""
    import subprocess

    code = (
        "import sys; from pathlib import Path; from prep.models.locate import *\n"
        f"models = Models(Path({str(tmp_path / 'home')!r}))\n"
        f"models.digest(models.find(Ask('tagger', {str(folder)!r})))\n"
        "print(sorted({'huggingface_hub', 'torch', 'safetensors', 'numpy'} & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_found_is_a_value(models: Models, folder: Path) -> None:
    """Found twice, an unchanged model is equal: a plan made of it can be compared."""
    assert models.find(at(folder)) == models.find(at(folder))
    assert isinstance(models.find(at(folder)), FoundModel)
