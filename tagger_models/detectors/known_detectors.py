"""The detectors we know, by name, and what has to be found for each.

Adding a detector is adding a row. What a graph itself says (size, classes) is read from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from prep.models.locate import Ask
from prep.runtime.errors import ConfigError, no_such
from tagger_models.detectors.detector_profile import (
    CASCADE,
    EYE,
    FACE,
    HALF_BODY,
    HEAD,
    PERSON,
    YOLO,
    DetectorProfile,
    finds,
)

DEFAULT = "anime-face"
OPENCV = "opencv-python-headless<5"  # 5.0 has no cascade classifier
_ORIGIN = "https://raw.githubusercontent.com/nagadomi/lbpcascade_animeface"
_COMMIT = "4433ab1ae1166ea75acfe99eb0f18709dac329a0"
_IMGUTILS = "file, threshold, overlap: `imgutils/detect` of deepghs/imgutils"

ANIME_FACE = DetectorProfile(
    name=DEFAULT,
    form=CASCADE,
    file="lbpcascade_animeface.xml",
    finds=finds(FACE),
    threshold=0.0,
    url=f"{_ORIGIN}/{_COMMIT}/lbpcascade_animeface.xml",
    sha256="9376d30ac38db6bda2a68b88b3b76bbd7e6aa33af47f7f5c76bc88ca75f1ce30",
    licence="MIT, in the file's own header",
    sources=("grey, equalised, 1.1, 5, 24 px: README of nagadomi/lbpcascade_animeface",),
)


def _haar(name: str, file: str, kind: str) -> DetectorProfile:
    """Return one of the cascades that OpenCV's own packages hold."""
    return replace(
        ANIME_FACE,
        name=name,
        file=f"data/{file}",
        finds=finds(kind),
        package="cv2",
        distribution=OPENCV,
        url="",
        sha256="",
        licence="Intel License Agreement for Open Source Computer Vision Library, in the file",
        sources=("settings: as of the anime cascade; OpenCV's own samples use the like",),
    )


def _hub(name: str, repo: str, file: str, kind: str, **more: float) -> DetectorProfile:
    """Return a YOLO of deepghs on the hub."""
    return DetectorProfile(
        name=name,
        form=YOLO,
        file=f"{file}/model.onnx",
        finds=finds(kind),
        repo=f"deepghs/{repo}",
        licence="MIT, by the repository's card",
        sources=(_IMGUTILS,),
        **more,  # type: ignore[arg-type]
    )


ROWS = (
    ANIME_FACE,
    _haar("frontal-face", "haarcascade_frontalface_default.xml", FACE),
    _haar("profile-face", "haarcascade_profileface.xml", FACE),
    _haar("upper-body", "haarcascade_upperbody.xml", HALF_BODY),
    _haar("full-body", "haarcascade_fullbody.xml", PERSON),
    _haar("eyes", "haarcascade_eye.xml", EYE),
    _hub("anime-face-yolo", "anime_face_detection", "face_detect_v1.4_s", FACE),
    _hub("anime-head", "anime_head_detection", "head_detect_v2.0_s", HEAD, threshold=0.4),
    _hub(
        "anime-person",
        "anime_person_detection",
        "person_detect_v1.1_m",
        PERSON,
        threshold=0.3,
        overlap=0.5,
    ),
    _hub(
        "anime-half-body",
        "anime_halfbody_detection",
        "halfbody_detect_v1.0_s",
        HALF_BODY,
        threshold=0.5,
    ),
    _hub("anime-eye", "anime_eye_detection", "eye_detect_v1.0_s", EYE, threshold=0.3, overlap=0.3),
    _hub("face-yolo", "real_face_detection", "face_detect_v0_s_yv11", FACE),
    DetectorProfile(
        name="nudenet",
        form=YOLO,
        file="320n.onnx",
        finds=MappingProxyType({1: FACE, 12: FACE}),  # FACE_FEMALE, FACE_MALE
        threshold=0.25,
        overlap=0.45,
        size=320,
        pad=(0, 0, 0),
        centred=False,
        package="nudenet",
        distribution="nudenet",
        licence="package: MIT; its weights come from a training with YOLOv8, which is AGPL-3.0",
        sources=("all: `nudenet/nudenet.py` of the package nudenet 3.4.2",),
    ),
    DetectorProfile(
        name="tiny",
        form=YOLO,
        file="model.onnx",
        threshold=0.4,
        overlap=0.5,
        size=128,
        licence="MIT, part of this project",
        sources=("tinyworld/training/tiny_detector.py",),
    ),
)
DETECTORS: Mapping[str, DetectorProfile] = MappingProxyType({row.name: row for row in ROWS})
_UNKNOWN = DetectorProfile(name="", form=YOLO, file="model.onnx")


def names_of(listed: str) -> tuple[str, ...]:
    """Return the detectors that a person lists with commas, each once.

    Raises:
        ConfigError: None is named.
    """
    found = tuple(dict.fromkeys(word.strip() for word in listed.split(",") if word.strip()))
    if not found:
        raise ConfigError("no detector is named", f"name one: {', '.join(DETECTORS)}")
    return found


def profile(name: str) -> DetectorProfile:
    """Return how the detector called `name` is fed and read.

    Args:
        name: A row's name, a hub id, or an `.xml` or `.onnx` file. A file that is called as a row's
            is one of that row's; another cascade finds faces, another graph says what it finds.

    Raises:
        ConfigError: A bare word that is neither a row nor a path on this machine.
    """
    if name in DETECTORS:
        return DETECTORS[name]
    by_repo = [row for row in ROWS if row.repo == name]
    if by_repo:
        return by_repo[0]
    path = Path(name).expanduser()
    if not (path.exists() or "/" in name or "\\" in name):
        raise no_such("detector", name, DETECTORS)
    like = [row for row in ROWS if Path(row.file).name == path.name != "model.onnx"]
    usual = ANIME_FACE if path.suffix == ".xml" else replace(_UNKNOWN, name=path.stem or name)
    row = like[0] if like else replace(usual, name=path.stem or name)
    return replace(row, repo="", package="", url="", sha256="")


def ask(name: str) -> Ask:
    """Return what `prep.models.locate` has to find for the detector called `name`.

    Raises:
        ConfigError: As for `profile`.
    """
    row = profile(name)
    return Ask(
        kind="detector",
        name=row.repo or name,
        patterns=(row.file,),
        needs=(row.file,),
        facts=row.facts(),
        package=row.package,
        distribution=row.distribution,
        url=row.url,
        sha256=row.sha256,
    )


def asks(listed: str) -> Sequence[Ask]:
    """Return the same of each detector of a list with commas between them."""
    return tuple(ask(name) for name in names_of(listed))
