"""Every pair of family, method and optimizer trains, stops, goes on and is applied again."""

from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.runtime.console import Console
from tests.train.conftest import build_dataset
from train.methods import all_methods, config_of
from train.optimizers import OPTIMIZERS
from train.run import start


def _rows() -> list[tuple[str, str]]:
    """Return each method with the usual optimizer, and the usual method with each optimizer."""
    methods = [(name, "adamw") for name in all_methods()]
    return [*methods, *(("lora", name) for name in OPTIMIZERS if name != "adamw")]


@pytest.mark.parametrize(("method", "optimizer"), _rows())
def test_a_stopped_run_ends_in_the_same_bytes(
    tmp_path: Path, base: Path, models: Models, method: str, optimizer: str
) -> None:
    """Two steps, and two more by the same command, are four in one go, with an export between."""
    if package := OPTIMIZERS[optimizer].package:
        pytest.importorskip(package, reason="the optional package is not installed")
    meta = build_dataset(tmp_path / "data", base, count=2)
    found = []
    for name, stops in (("whole", [4]), ("cut", [2, 4])):
        for steps in stops:
            config = config_of(
                method, optimizer=optimizer, steps=steps, out=tmp_path / name, name="toy",
                save_every_steps=1,
            )  # fmt: skip
            found.append(start.start([meta], config, models, Console(level=0)))

    whole, *_, cut = found
    assert _bytes(cut) == _bytes(whole)
    assert _bytes(whole.with_name(f"toy-step{2:08d}{whole.suffix}")) == _bytes(
        cut.with_name(f"toy-step{2:08d}{cut.suffix}")
    )


def _bytes(export: Path) -> list[bytes]:
    """Return the bytes of an export, a file or a folder."""
    paths = sorted(path for path in export.rglob("*") if path.is_file()) or [export]
    return [path.read_bytes() for path in paths]
