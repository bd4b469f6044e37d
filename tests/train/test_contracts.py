"""Every pair of family, method and optimizer trains, stops, goes on and is applied again."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models.locate import Models
from prep.runtime.console import Console
from tests.train.conftest import build_dataset
from train.families import all_families
from train.families.family import PictureSizes
from train.methods import USUAL, all_methods, config_of
from train.optimizers import OPTIMIZERS
from train.option_fields import flag
from train.preservation_options import OWN_ANSWERS
from train.run import picture_losses, start


def _rows() -> list[tuple[str, str, str]]:
    """Return each kind of export with each optimizer, on families in turn that its methods train.

    Of methods that write their exports alike one takes its turn; at last come the families that
    a method has not met.
    """
    found: list[tuple[str, str, str]] = []
    alike: dict[object, list[str]] = {}
    for name, method in sorted(all_methods().items(), key=lambda pair: len(_trained()[pair[0]])):
        alike.setdefault(method.publish, []).append(name)
    for turn, optimizer in enumerate(OPTIMIZERS):
        left = [*all_families()]
        for methods in alike.values():
            method = methods[turn % len(methods)]
            trained = _trained()[method]
            each = trained[turn % len(trained) :] + trained[: turn % len(trained)]
            family = next((one for one in each if one in left), each[0])
            left = [one for one in left if one != family]
            found.append((family, method, optimizer))
        found += [(family, USUAL, optimizer) for family in left]
    met = {row[:2] for row in found}
    missing = [(f, m) for m, each in _trained().items() for f in each if (f, m) not in met]
    return [*found, *((*pair, one) for pair, one in zip(missing, [*OPTIMIZERS] * 4, strict=False))]


def _trained() -> dict[str, list[str]]:
    """Return the families that each method trains."""
    families, methods = all_families(), all_methods()
    return {
        name: [one.name for one in families.values() if method.trains(one)]
        for name, method in methods.items()
    }


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A small base model of each family."""
    top = tmp_path_factory.mktemp("bases")
    return {name: family.tiny.write(top / name) for name, family in all_families().items()}


def test_every_pair_is_among_the_rows() -> None:
    """Any family and method, family and optimizer, and kind of export and optimizer."""
    rows, publish = _rows(), {name: one.publish for name, one in all_methods().items()}
    kinds = set(publish.values())

    assert {row[:2] for row in rows} == {(f, m) for m, each in _trained().items() for f in each}
    assert {(row[0], row[2]) for row in rows} == set(itertools.product(all_families(), OPTIMIZERS))
    found = {(publish[row[1]], row[2]) for row in rows}
    assert found == set(itertools.product(kinds, OPTIMIZERS))


@pytest.mark.parametrize(("family", "method", "optimizer"), _rows())
def test_a_stopped_run_ends_in_the_same_bytes(
    tmp_path: Path,
    bases: Mapping[str, Path],
    models: Models,
    family: str,
    method: str,
    optimizer: str,
) -> None:
    """A step, and one more by the same command, are two in one go, with an export between.

    Some of those that can keep the base model's own answers do it, on both texts.
    """
    if package := OPTIMIZERS[optimizer].package:
        pytest.importorskip(package, reason="the optional package is not installed")
    meta = build_dataset(tmp_path / "data", bases[family], count=2)
    keeps = all_methods()[method].alone is not None and optimizer != "adamw"
    weights = dict.fromkeys(OWN_ANSWERS, 0.5 * keeps)
    found = []
    for name, stops in (("whole", [2]), ("cut", [1, 2])):
        for steps in stops:
            config = config_of(
                method, optimizer=optimizer, steps=steps,
                text_encoder=all_methods()[method].of_parts,
                out=tmp_path / name, name="toy",
                save_every_steps=1, **weights,
            )  # fmt: skip
            found.append(start.start([meta], config, models, Console(level=0)))

    whole, *_, cut = found
    assert _bytes(cut) == _bytes(whole)
    assert _bytes(whole.with_name(f"toy-step{1:08d}{whole.suffix}")) == _bytes(
        cut.with_name(f"toy-step{1:08d}{cut.suffix}")
    )


@pytest.mark.parametrize(
    ("family", "method"),
    [
        pytest.param(*row, marks=pytest.mark.long if number > 1 else ())
        for number, row in enumerate(
            {f: m for f, m, optimizer in _rows() if optimizer == "adamw"}.items()
        )
    ],
)
def test_two_processes_see_what_one_sees(
    tmp_path: Path, bases: Mapping[str, Path], models: Models, family: str, method: str
) -> None:
    """Two gloo processes have the inputs, and but for rounding the losses, of one process.

    So it is of each showing, and of a picture that is held out, which one process measures.
    """
    meta = build_dataset(tmp_path / "data", bases[family])
    given: dict[str, float] = {"steps": 4, "learning_rate": 1e-4, "batch": 2, "accumulate": 2}
    given["held_out"] = 1.0
    given |= {"prior_prediction": 0.5} if all_methods()[method].alone else {}
    config = config_of(method, shuffle_tags=True, out=tmp_path / "one", **given)
    one = start.start([meta], config, models, Console(level=0))
    environment = os.environ | {
        "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
        "XDG_DATA_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    words = [word for name, value in given.items() for word in (flag(name), f"{value}")]
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
            "-m", "train", method, str(meta), *words, "--shuffle-tags",
            "--out", str(tmp_path / "two"),
        ],
        cwd=Path(__file__).resolve().parents[2], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    two = tmp_path / "two" / one.parent.name / one.name
    assert done.stdout == f"trained: {two}\n"
    state = json.loads((two.parent / "checkpoints/step-00000004/state.json").read_text())
    assert state["machine"]["processes"] == 2
    rows = [
        [json.loads(line) for line in (made.parent / "metrics.jsonl").read_text().splitlines()]
        for made in (one, two)
    ]
    assert [row.get("inputs") for row in rows[1]] == [row.get("inputs") for row in rows[0]]
    words = ("loss", "held_out_loss", "trained_loss")
    losses = [[row[word] for row in some for word in words if word in row] for some in rows]
    assert len(losses[0]) == 4 + 2 * 2
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    single, double = (picture_losses.read(made.parent) for made in (one, two))
    assert single is not None
    assert double is not None
    for column in ("step_N", "number_N", "time_N"):
        assert getattr(double, column).tolist() == getattr(single, column).tolist()
    assert double.loss_N == pytest.approx(single.loss_N, rel=1e-4)


def _pipeline(place: Path) -> Any:
    from diffusers import DiffusionPipeline

    found: Any = DiffusionPipeline.from_pretrained(str(place), local_files_only=True)
    found.set_progress_bar_config(disable=True)
    return found


def _answer(network: Any, family: str, base: Path) -> torch.Tensor:
    """Return what a network says of fixed latents, text and sizes."""
    one = all_families()[family]
    opened = one.load(base, "cpu")
    (state,) = one.encode(opened, ["mascot"])
    told = one.told([PictureSizes((80, 64), (8, 0), (64, 64))])
    given = {name: value[None] for name, value in state.items()} | told
    noisy = torch.randn(1, one.space.channels, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return one.denoise(network, noisy, torch.tensor([500]), given)


@pytest.mark.parametrize("family", all_families())
def test_diffusers_loads_the_lora_to_the_bit(
    tmp_path: Path, bases: Mapping[str, Path], models: Models, family: str
) -> None:
    """The network with our file loaded by diffusers is the trained one, also with convolutions."""
    meta = build_dataset(tmp_path / "data", bases[family], count=2)
    config = config_of(
        steps=3, rank=2, alpha=1.0, targets="convolutions", text_encoder=True, learning_rate=0.02,
        out=tmp_path / "runs", name="toy",
    )  # fmt: skip
    made = start.start([meta], config, models, Console(level=0))
    one = all_families()[family]
    trained = one.load(bases[family], "cpu")
    all_methods()["lora"].attach(trained, one, config)
    all_methods()["lora"].apply(made, trained, one)

    pipeline = _pipeline(bases[family])
    pipeline.load_lora_weights(str(made))

    found = _answer(getattr(pipeline, one.network), family, bases[family])
    plain = _answer(getattr(_pipeline(bases[family]), one.network), family, bases[family])
    assert torch.equal(found, _answer(trained.network, family, bases[family]))
    assert not torch.equal(found, plain)


@pytest.mark.parametrize("family", all_families())
def test_diffusers_opens_the_folder_of_a_fine_tune(
    tmp_path: Path, bases: Mapping[str, Path], models: Models, family: str
) -> None:
    """Every part that the base model has is there, and the network is the trained one."""
    meta = build_dataset(tmp_path / "data", bases[family], count=2)
    config = config_of(
        "finetune", steps=2, learning_rate=1e-3, text_encoder=True, out=tmp_path / "runs",
        name="toy",
    )  # fmt: skip
    made = start.start([meta], config, models, Console(level=0))

    parts = {path.name for path in bases[family].iterdir()}
    assert {path.name for path in made.iterdir()} == parts | {"prep_certificate.json"}
    network = getattr(_pipeline(made), all_families()[family].network)
    trained = all_families()[family].load(made, "cpu")
    found = _answer(network, family, made)
    assert torch.equal(found, _answer(trained.network, family, made))
    assert not torch.equal(found, _answer(trained.network, family, bases[family]))


def _bytes(export: Path) -> list[bytes]:
    """Return the bytes of an export, a file or a folder."""
    paths = sorted(path for path in export.rglob("*") if path.is_file()) or [export]
    return [path.read_bytes() for path in paths]
