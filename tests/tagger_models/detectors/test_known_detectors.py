"""Which detector a name means, where its file is, and what is said where it is not there."""

import hashlib
import importlib.util
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from prep.models import other_places
from prep.models.locate import Models
from prep.runtime.errors import ConfigError, ModelFileError
from tagger_models.detectors.known_detectors import DETECTORS, ask, names_of, profile
from tagger_models.detectors.yolo import open_yolo

DATA = b"<opencv_storage/>"


def test_every_row_names_its_licence_and_sources() -> None:
    """What a detector is, is told with where it was read; each has one place for its file."""
    for name, row in DETECTORS.items():
        assert row.name == name
        assert row.licence
        assert row.sources
        assert name == "tiny" or sum(map(bool, (row.repo, row.package, row.url))) == 1
        assert bool(row.url) == bool(row.sha256)


def test_names_paths_and_lists(tmp_path: Path) -> None:
    """A file that is called as a row's is that row's; an unknown cascade finds faces."""
    (tmp_path / "lbpcascade_animeface.xml").write_bytes(DATA)
    (tmp_path / "mine.xml").write_bytes(DATA)

    assert names_of("anime-face, nudenet ,anime-face") == ("anime-face", "nudenet")
    assert profile(str(tmp_path / "lbpcascade_animeface.xml")).name == "anime-face"
    assert profile(str(tmp_path / "mine.xml")).name == "mine"
    assert profile("deepghs/anime_face_detection").name == "anime-face-yolo"
    assert profile("somebody/yolo-face").finds == {}
    for wrong, hint in (("nudnet", "did you mean `nudenet`?"), (" , ", "name one: ")):
        with pytest.raises(ConfigError) as told:
            [profile(name) for name in names_of(wrong)]
        assert str(told.value.hint).startswith(hint)


def test_a_package_that_is_not_installed_is_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that installs it stands in the hint; no package is imported to find that out."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    models = Models(tmp_path, offline=True)

    with pytest.raises(ModelFileError) as nude:
        models.find(ask("nudenet"))
    with pytest.raises(ModelFileError) as opencv:
        models.find(ask("frontal-face"))

    assert str(nude.value) == "`nudenet` is a file of the package nudenet, which is not installed"
    assert nude.value.hint == 'install it: `pip install "nudenet"`'
    assert str(opencv.value) == (
        "`frontal-face` is a file of the package opencv-python-headless, which is not installed"
    )
    assert opencv.value.hint == 'install it: `pip install "opencv-python-headless<5"`'


@pytest.fixture
def address() -> Iterator[str]:
    """An address at which a file lies."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path.endswith(".xml") else 404)
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_at_an_address_is_fetched_once_and_is_the_one_that_was_meant(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest is known beforehand: another file is refused, and nothing is left of it."""
    sha = hashlib.sha256(DATA).hexdigest()
    wanted = replace(ask("anime-face"), url=f"{address}/face.xml", sha256=sha)
    models = Models(tmp_path)

    found = models.find(wanted)
    models.digest(found)
    monkeypatch.setattr(other_places, "fetch", None)
    assert models.find(wanted).path == found.path
    assert found.path.read_bytes() == DATA
    monkeypatch.undo()

    with pytest.raises(ModelFileError) as other:
        models.find(replace(wanted, sha256="0" * 64))
    assert str(other.value) == (
        f"{address}/face.xml is not the file that is meant: expected {'0' * 12}, found {sha[:12]}"
    )
    with pytest.raises(ModelFileError) as gone:
        models.find(replace(wanted, url=f"{address}/no", sha256="1" * 64))
    assert str(gone.value) == (
        "the detector `anime-face` is not on this machine and cannot be downloaded"
    )
    assert [file.name for file in (tmp_path / "files").rglob("*") if file.is_file()] == ["face.xml"]


def test_the_tiny_detector_is_a_yolo(tmp_path: Path) -> None:
    """The stand-in that ships goes through the code of real ones, and says what it finds itself."""
    found = Models(tmp_path, offline=True).find(ask("tiny"))

    yolo = open_yolo(found.files[0][0], profile("tiny"), "cpu", 1)

    assert dict(yolo.finds) == {0: "face", 1: "person"}
    assert found.size_bytes() < 500_000
