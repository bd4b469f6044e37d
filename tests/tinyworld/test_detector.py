"""The tiny detector: a YOLO that finds faces and figures in pictures it was never shown."""

from pathlib import Path

import numpy as np
import onnxruntime

import tinyworld
from prep.models.locate import Models
from tagger_models.detectors.detected_box import area, shared
from tagger_models.detectors.detection import open_detection
from tagger_models.detectors.known_detectors import asks
from tinyworld.draw import cut_out, draw, face_box
from tinyworld.training.slices import Plan
from tinyworld.training.tiny_detector import SIDE, shown, train_detector
from tinyworld.world import random_scene

FOLDER = Path(tinyworld.__file__).parent / "models" / "detector"
FRESH = 900_000  # no model was trained on scenes of such numbers


def test_it_finds_each_mascot_and_nothing_else(tmp_path: Path) -> None:
    """Face and figure of fresh pictures, held-out combinations too, each once and where it is."""
    found = [Models(tmp_path, offline=True).find(ask) for ask in asks("tiny")]
    detection = open_detection("tiny", found, 0.0, "cpu", 1)
    right = told = 0
    for seed in range(FRESH, FRESH + 24):
        scene = random_scene(seed, unseen=seed % 2 == 0)
        image = draw(scene, seed)
        truth = {"face": face_box(scene, seed), "person": cut_out(scene, seed).getbbox() or ()}
        boxes = detection.found(image, image.size)
        told += len(boxes)
        for one in boxes:
            common = shared(one["box"], truth[one["kind"]])
            union = area(one["box"]) + area(truth[one["kind"]]) - common
            right += common > 0.6 * union

    assert (right, told) == (48, 48)


def test_its_training_writes_a_yolo(tmp_path: Path) -> None:
    """Three steps on a few drawings end in a graph of the shape that is read as one."""
    plan = Plan(steps=3, rate=1e-3, warmup=1, save_every=3, seed=2)
    train_detector(tmp_path / "work", tmp_path / "out", plan=plan, count=8)

    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    pixels = np.zeros((1, 3, SIDE, SIDE), np.float32)
    (answers,) = session.run(None, {"images": pixels})
    shipped = onnxruntime.InferenceSession(FOLDER / "model.onnx")
    assert answers.shape == (1, 6, 128) == shipped.run(None, {"images": pixels})[0].shape
    assert np.isfinite(answers).all()
    assert shown(3).boxes.shape == (2, 4)
