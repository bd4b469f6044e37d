import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.killing import ROOT
from tests.train.runs import lora, new_console, said
from train.adapters.lora_metadata import CERTIFICATE
from train.adapters.lora_metadata import said as metadata_of
from train.again.reproduce import ReproduceWish, reproduce
from train.again.same_tensors import tensor_match
from train.convert.low_rank import Cut
from train.convert.resizing import resize
from train.export import lora_file
from train.export.average_exports import average_exports

SETTINGS: dict[str, dict[str, Any]] = {
    "lora": {"schedule": "cosine", "warmup": 2, "text_encoder": True, "shuffle_tags": True},
    "dora": {"batch": 2, "magnitude": "inputs"},
    "embedding": {"vectors": 2, "learning_rate": 1e-2},
}
OTHERWISE = (
    "put that back as it was; `--anyway` trains with what is here, and tells how far the two are "
    "apart"
)


def _made(method: str, meta: Path, out: Path, models: Models, **more: Any) -> Path:
    given = {"rank": 2} if method in ("lora", "dora") else {}
    return _trained(meta, out, models, method=method, **given, **SETTINGS[method], **more)


def _trained(meta: Path, out: Path, models: Models, **given: Any) -> Path:
    from train.methods import config_of
    from train.run.start import start

    config = config_of(**{"out": out, "steps": 6, "learning_rate": 1e-3} | given)
    return start([meta], config, models, new_console())


@pytest.mark.parametrize("method", SETTINGS)
def test_an_export_comes_out_again(method: str, meta: Path, tmp_path: Path, models: Models) -> None:
    """Trained from its certificate alone the file is the same, byte by byte; twice, it is done."""
    made = _made(method, meta, tmp_path / "runs", models)
    console = new_console()

    assert reproduce(made, ReproduceWish(), models, console)
    assert reproduce(made.parent, ReproduceWish(), models, console)

    told, again = (
        said(console)[0].splitlines(),
        made.parent / "again" / made.stem / made.parent.name,
    )
    count = len(load_file(made))
    assert told[1] == (
        f"equal: all {count} tensors are, bit by bit, and so are the two files, byte by byte"
    )
    assert told[3] == f"already done: {again / made.name}"
    assert (again / made.name).read_bytes() == made.read_bytes()


def test_an_export_on_the_way_comes_out_again(meta: Path, tmp_path: Path, models: Models) -> None:
    """Of a rate that knows its end, too: then the whole run is done, as it was."""
    made = _made("lora", meta, tmp_path / "runs", models, save_every_steps=4)
    between = made.with_name(f"{made.stem}-step00000004.safetensors")
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(between.read_bytes())

    with pytest.raises(UserError) as caught:
        reproduce(moved, ReproduceWish(), models, new_console())
    assert str(caught.value) == (
        f"the dataset of `{moved}` is not known: it is not in its run folder"
    )
    assert caught.value.hint == "name it: `--data META`"
    assert reproduce(moved, ReproduceWish(data=[meta]), models, new_console())
    assert (tmp_path / "again" / "moved" / made.parent.name / between.name).exists()


def test_what_is_not_as_it_was_is_named_before_it_starts(
    meta: Path, tmp_path: Path, models: Models, changed: Callable[..., Path]
) -> None:
    """A picture, a text, a package of another version: two lines and more, and nothing begun."""
    made = lora(meta, tmp_path / "runs", models, new_console())  # each picture once
    about = dict(metadata_of(made))
    born = json.loads(about[CERTIFICATE])
    born["packages"]["torch"] = "1.0"
    other = made.with_name("other.safetensors")
    lora_file.write(other, load_file(made), about | {CERTIFICATE: json.dumps(born)})
    changed(meta, "1.png", digest="f" * 64)
    changed(meta, "2.png", tags=("mascot", "asleep"))

    with pytest.raises(UserError) as caught:
        reproduce(other, ReproduceWish(), models, new_console())

    assert str(caught.value) == "`other.safetensors`: `1.png` is another picture: its file changed"
    assert caught.value.hint == OTHERWISE
    assert [line for line, _ in caught.value.others] == [
        "the text of `2.png` is `mascot, asleep`, and was `mascot, pose 0`",
        f"the package torch was 1.0, and is {torch.__version__} here",
    ]
    assert not (made.parent / "again").exists()

    console = new_console()
    assert not reproduce(other, ReproduceWish(anyway=True), models, console)
    told = said(console)
    assert told[1].splitlines()[:3] == [
        "not as it was: `1.png` is another picture: its file changed",
        "not as it was: the text of `2.png` is `mascot, asleep`, and was `mascot, pose 0`",
        f"not as it was: the package torch was 1.0, and is {torch.__version__} here",
    ]
    assert "NOT equal: " in told[0]


def test_the_cosine_is_that_of_the_products(tmp_path: Path) -> None:
    """Of a LoRA it is that of all changed weights, as NumPy has it; the first tensor is named."""
    dice = torch.Generator().manual_seed(0)
    tensors = {
        f"m{n}.lora_{side}.weight": torch.randn(shape, generator=dice)
        for n in range(2)
        for side, shape in (("down", (2, 5)), ("up", (3, 2)))
    } | {f"m{n}.alpha": torch.tensor(float(n + 1)) for n in range(2)}
    other = tensors | {"m1.lora_up.weight": torch.randn((3, 2), generator=dice)}
    places = [tmp_path / f"{n}.safetensors" for n in range(2)]
    for place, each in zip(places, (tensors, other), strict=True):
        lora_file.write(place, each, {})

    found = tensor_match(*places)

    def change(each: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([
            (each[f"m{n}.lora_up.weight"].double() @ each[f"m{n}.lora_down.weight"].double()
             * each[f"m{n}.alpha"] / 2).flatten()
            for n in range(2)
        ])  # fmt: skip

    a, b = change(tensors), change(other)
    assert (found.first, found.differing, found.count) == ("m1.lora_up.weight", 1, 6)
    assert found.cosine == pytest.approx(float(a @ b / (a.norm() * b.norm())), abs=1e-12)
    assert tensor_match(places[0], places[0]).cosine == 1.0


def test_what_cannot_be_reproduced_is_told(meta: Path, tmp_path: Path, models: Models) -> None:
    """Another program's file, an average and a smaller one have no training of their own."""
    foreign = tmp_path / "foreign.safetensors"
    lora_file.write(foreign, {"a.lora_down.weight": torch.ones(1, 2)}, {})
    made = lora(meta, tmp_path / "runs", models, new_console(), steps=2, save_every_steps=1)
    average = average_exports([made.parent], new_console(), width=0.1)
    small = resize(made, tmp_path / "small.safetensors", Cut(1), new_console())

    for place, told in (
        (small, (f"`{small}` was made of exports, and was not trained",
                 "name an export of the training: `train explain` tells of what it was made")),
        (foreign, (f"`{foreign}` has no certificate: another program made it",
                   "name an export of `train`")),
        (average, (f"`{average}` is an average of exports, and was not trained",
                   "reproduce the exports that `train explain` names of it")),
    ):  # fmt: skip
        with pytest.raises(UserError) as caught:
            reproduce(place, ReproduceWish(), models, new_console())
        assert (str(caught.value), caught.value.hint) == told


_KILLED = """
import sys
from pathlib import Path
from prep.models.locate import Models
from tests.train.killing import Killing
from train.again.reproduce import ReproduceWish, reproduce
place, home, step, flush = sys.argv[1:]
reproduce(Path(place), ReproduceWish(), Models(Path(home), offline=True),
          Killing(step=int(step), flush=int(flush)))
"""


@pytest.mark.long
@pytest.mark.parametrize("method", SETTINGS)
def test_three_kills_end_in_the_same_file(
    method: str, meta: Path, tmp_path: Path, models: Models
) -> None:
    """Killed after a step, in a checkpoint and after a step again, the bytes are those of then."""
    made = _made(method, meta, tmp_path / "runs", models, save_every_steps=2)

    codes = [
        subprocess.run(
            [sys.executable, "-c", _KILLED, str(made), str(tmp_path / "home"), *map(str, at)],
            cwd=ROOT, check=False, env={**os.environ}, stderr=subprocess.DEVNULL,
        ).returncode
        for at in ((3, 0), (2, 4), (1, 0))
    ]  # fmt: skip
    console = new_console()

    assert codes == [-signal.SIGKILL] * 3
    assert reproduce(made, ReproduceWish(), models, console)
    assert "continues after step" in said(console)[1]
    assert (
        made.parent / "again" / made.stem / made.parent.name / made.name
    ).read_bytes() == made.read_bytes()
