"""What is measured on a card runs on a CPU, too: tiny models, the same rows."""

import json
from pathlib import Path

import pytest

from benchmarks import gpu


@pytest.mark.long
def test_all_rows_are_found_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing fails, a resumed run is the straight one, and each row is printed, too."""
    out = tmp_path / "gpu.json"

    assert gpu.main(["--tiny", "--out", str(out)]) == 0
    found = json.loads(out.read_text())

    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == list(found)
    assert {name: found[name] for name in found if "resumed" in name} == {
        f"{kind}: resumed, {kernels} kernels": "equal"
        for kind in ("sd15", "sdxl")
        for kernels in ("usual", "deterministic")
    }
    rates = [value for name, value in found.items() if name.endswith("steps/s")]
    assert len(rates) == 4
    assert min(rates) > 0


def test_what_there_is_no_time_for_is_named(tmp_path: Path) -> None:
    """A row that may not end in time is left out, and one that fails says why; others go on."""
    rows = gpu.Rows(60, tmp_path / "gpu.json")

    rows.row("a", lambda: 1.5)
    rows.row("b", lambda: 1 / 0)
    rows.row("c", lambda: 2, needs_s=100)

    told = {"a": 1.5, "b": "failed: ZeroDivisionError: division by zero", "c": "left out: no time"}
    assert rows.found == told
    assert gpu.ratio((1.5, "left out: no time"), 2.0) == "unknown"
