"""A short training in this process, and what can be seen of it afterwards."""

import io
import json
from pathlib import Path
from typing import Any

from prep.models.locate import Models
from prep.runtime.console import Console
from train.methods import config_of
from train.run import start


def new_console() -> Console:
    """Return a console that keeps what it is told."""
    return Console(out=io.StringIO(), err=io.StringIO())


def said(console: Console) -> tuple[str, str]:
    """Return what a new console was told: standard output, standard error."""
    assert isinstance(console.out, io.StringIO)
    assert isinstance(console.err, io.StringIO)
    return console.out.getvalue(), console.err.getvalue()


def settings(out: Path, **given: object) -> dict[str, Any]:
    """Return settings of six steps, as JSON keeps them, with those given in their place."""
    rank = {} if given.get("method") == "finetune" else {"rank": 2}
    return {"out": str(out), "steps": 6, "learning_rate": 1e-3} | rank | given


def lora(meta: Path, out: Path, models: Models, console: Console, **given: object) -> Path:
    """Train a LoRA with these settings; return its file."""
    config = config_of(**settings(out, **given) | {"out": out})
    return start.start([meta], config, models, console)


def steps(made: Path) -> list[int]:
    """Return the steps that the metrics beside a file have."""
    lines = (made.parent / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]
