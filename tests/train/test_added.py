"""A family, a process and a method are added as one file each, an optimizer as one row."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from prep.models import safetensors_file

ROOT = Path(__file__).resolve().parents[2]
METHOD = '''\
"""BitFit: the biases of the network learn, and nothing else.

Source: Ben Zaken et al. 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from train.config import Config
from train.export import lora_file
from train.families.family import Base, Family
from train.methods.method import Export, Method, Shapes, Sizes
from train.option_fields import deciding, option


@dataclass(frozen=True)
class BitfitOptions:
    """What a person may choose of it."""

    skip: int = option(0, "Blocks that keep their biases", least=0, most=12)

    def deciding(self) -> Mapping[str, Any]:
        """Return all of them."""
        return deciding(self)


def attach(base: Base, family: Family, config: Config) -> None:
    """Let the biases of the network learn."""
    for name, weight in base.network.named_parameters():
        weight.requires_grad_(name.endswith(".bias"))


def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
    """Return how many biases there are."""
    found = [prod(shape) for name, shape in shapes["unet"].items() if name.endswith(".bias")]
    return Sizes(sum(found), sum(found))


def publish(export: Export) -> None:
    """Write the biases by their own names."""
    tensors = {name: weight.detach().cpu() for name, weight in export.base.learning().items()}
    lora_file.write(export.path, tensors, export.metadata)


def apply(path: Path, base: Base, family: Family) -> None:
    """Give the biases the numbers of an export."""
    from safetensors.torch import load_file

    base.network.load_state_dict(load_file(path), strict=False)


METHOD = Method(
    name="bitfit",
    about="Train the biases of the U-Net.",
    made="biases of",
    options=BitfitOptions,
    usual_rate=1e-3,
    precision=lambda config: "float32",
    attach=attach,
    sizes=sizes,
    ending=lambda config: ".safetensors",
    publish=publish,
    apply=apply,
    metadata=lambda config: {},
)
'''
PROCESS = '''\
"""Diffusion by the cosine schedule, whatever the config says.

Source: Nichol and Dhariwal 2021, eq. 17.
"""

import math
from pathlib import Path

from train.families.diffusion_process import DIFFUSION, Diffusion
from train.families.noise_process import Prediction, ProcessKind


def read(folder: Path, otherwise: Prediction) -> Diffusion:
    """Return the process of a thousand steps."""
    import torch

    times = (torch.arange(1000) / 1000 + 0.008) / 1.008
    return Diffusion((times * math.pi / 2).cos().square(), otherwise)


COSINE = ProcessKind(read=read, samplers=DIFFUSION.samplers)
'''
FAMILY = '''\
"""Toys: U-Net and text encoder of Stable Diffusion 1.x, noise by the cosine schedule."""

from dataclasses import replace

from train.families import sd15, unet_parts
from train.families.cosine_process import COSINE

KIND = replace(sd15.KIND, pipeline="ToyPipeline", file=None, process=COSINE)
FAMILY = KIND.family(
    name="toy",
    base_version="toy_v1",
    architecture="toy-v1",
    denoise=sd15.denoise,
    export_name=sd15.export_name,
    tiny=replace(sd15.FAMILY.tiny, pipeline="ToyPipeline"),
    **unet_parts.alike((False, True, True, True)),
)
'''
BEFORE = "_ROWS = (\n"
ROW = '    Optimizer("adagrad", "torch.optim.Adagrad", kept=1.0),\n'


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a file or a row more of each."""
    top = tmp_path_factory.mktemp("checkout")
    for name in ("prep", "train"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    (top / "train" / "methods" / "bitfit.py").write_text(METHOD)
    (top / "train" / "families" / "cosine_process.py").write_text(PROCESS)
    (top / "train" / "families" / "toy.py").write_text(FAMILY)
    rows = top / "train" / "optimizers.py"
    text = rows.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    rows.write_text(text.replace(BEFORE, BEFORE + ROW), encoding="utf-8")
    return top


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


# Several commands in one process: each of its own would load the libraries anew.
RUNNER = """\
import contextlib, io, json, sys
from train.cli.app import main

for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as ended:
            code = ended.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def train(checkout: Path, *commands: list[str], before: str = "") -> list[Ended]:
    """Run commands of train in the copy, its packages in place of the installed ones.

    Args:
        before: Code that comes first.
    """
    variables = os.environ | {
        "PYTHONPATH": str(checkout), "COLUMNS": "200", "XDG_DATA_HOME": str(checkout / "user"),
        "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", before + RUNNER, json.dumps(commands)],
        cwd=checkout, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return [Ended(*json.loads(line)) for line in ended.stdout.splitlines()]


def test_a_method_is_one_file(
    checkout: Path, built_dataset: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    """It is a command with its own options, foretold, trained, exported, and found done."""
    meta = str(built_dataset(tmp_path / "data", base))
    out = ["--steps", "2", "--out", str(tmp_path / "runs"), "--name", "toy"]
    help_page, own_page, foretold, refused, made, again = train(
        checkout,
        ["--help"],
        ["bitfit", "--help"],
        ["check", meta, "--method", "bitfit", "--skip", "1", *out],
        ["check", meta, "--method", "bitfit", "--rank", "4", *out],
        ["bitfit", meta, "--skip", "1", "--json", *out],
        ["bitfit", meta, "--skip", "1", *out],
    )
    shown = " ".join(own_page.out.split())

    assert "bitfit" in help_page.out
    assert "Train the biases of the U-Net." in help_page.out
    assert "--skip <int> Blocks that keep their biases [default: 0]" in shown
    assert "--rank" not in shown
    assert foretold.out.startswith(f"toy: biases of `{base}` (sd15)\n"), foretold.err
    assert "settings: method bitfit, skip 1, learning_rate 0.001, " in foretold.out
    assert refused.err.splitlines() == [
        "error: `train bitfit` has no `--rank`", "hint: leave it out",
    ]  # fmt: skip
    assert made.code == 0, made.err
    file = Path(json.loads(made.out.splitlines()[-1])["export"])
    head = safetensors_file.header(file)
    assert head.tensors
    assert all(name.endswith(".bias") for name in head.tensors)
    assert "already done" in again.out


def test_an_optimizer_is_one_row(
    checkout: Path, built_dataset: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    """It can be chosen with every method, and a stopped run goes on to the same bytes."""
    meta = str(built_dataset(tmp_path / "data", base))
    common = ["--optimizer", "adagrad", "--rank", "2", "--name", "toy"]
    one, two = ["--out", str(tmp_path / "one")], ["--out", str(tmp_path / "two")]
    whole, begun, cut = train(
        checkout,
        ["lora", meta, *common, "--steps", "4", *one],
        ["lora", meta, *common, "--steps", "2", *two],
        ["lora", meta, *common, "--steps", "4", *two],
    )

    assert (whole.code, begun.code, cut.code) == (0, 0, 0), whole.err + begun.err + cut.err
    (straight,) = (tmp_path / "one").glob("*/toy.safetensors")
    (stopped,) = (tmp_path / "two").glob("*/toy.safetensors")
    assert "continues after step 2 of 4" in cut.err + cut.out
    assert straight.read_bytes() == stopped.read_bytes()


@pytest.mark.long  # a method and an optimizer are added in CI
def test_a_family_and_its_process_are_a_file_each(
    checkout: Path, built_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """Recognised by its folder, told, trained by its own schedule, exported, drawn; it goes on."""
    base = tmp_path / "toys"
    write = "import pathlib; from train.families.toy import FAMILY\n"
    write += f"FAMILY.tiny.write(pathlib.Path({str(base)!r}))\n"
    train(checkout, before=write)
    meta = str(built_dataset(tmp_path / "data", base))
    out = ["--rank", "2", "--out", str(tmp_path / "runs"), "--name", "toy"]
    foretold, made, again = train(
        checkout,
        ["check", meta, *out],
        ["lora", meta, "--steps", "2", *out],
        ["lora", meta, "--steps", "3", *out],
    )
    (file,) = tmp_path.glob("runs/*/toy.safetensors")
    words = ["sample", str(file), "--prompt", "toy --w 64 --h 64 --s 2"]
    (drawn,) = train(checkout, words)

    assert foretold.out.startswith(f"toy: a LoRA on `{base}` (toy)\n"), foretold.err
    assert (made.code, again.code, drawn.code) == (0, 0, 0), drawn.err
    assert "continues after step 2 of 3" in again.err
    assert safetensors_file.header(file).metadata["ss_base_model_version"] == "toy_v1"
    assert safetensors_file.header(file).metadata["modelspec.architecture"] == "toy-v1/lora"
    assert file.with_name("toy-sheet.png").stat().st_size > 0


def test_no_other_file_was_touched(checkout: Path) -> None:
    """The code of the copy is that of the project, byte for byte, but for these files and rows."""
    found = {path.relative_to(checkout) for path in checkout.rglob("*.py")}
    changed = {
        path
        for path in found
        if not (ROOT / path).is_file()
        or (checkout / path).read_bytes() != (ROOT / path).read_bytes()
    }

    families = Path("train/families")
    assert changed == {
        Path("train/methods/bitfit.py"), Path("train/optimizers.py"), families / "toy.py",
        families / "cosine_process.py",
    }  # fmt: skip
