"""Pictures of each export of a run, and of its base model: drawn once, kept by what they show."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models.devices import torch_device
from prep.runtime import files
from prep.runtime.console import Console
from train.adapters.file_kinds import kind_of
from train.families.diffusion_process import predicting
from train.families.family import Base
from train.pick.pick_prompts import PickPicture
from train.run.decide import Run
from train.samples.drawer import Drawer, png
from train.samples.picture_text import Shown, ShownLora, is_of
from train.samples.prompts import Prompt
from train.samples.sampler import NotFiniteError, opened_vae

if TYPE_CHECKING:
    from PIL import Image

BASE = "base model"


@contextmanager
def opened_model(run: Run) -> "Iterator[tuple[Base, Callable[[Path], None]]]":
    """Yield the run's base model as it is, and what gives it the weights of an export for good.

    The first export changes it: what is drawn of the base model alone comes before.
    """
    from train.step.kernels import kernels

    device = torch_device(run.config.device)
    with kernels(device, run.config.attention):
        base = run.family.load(run.found.path, device, run.method.precision(run.config))
        base = replace(base, process=predicting(base.process, run.config.prediction))
        attached: list[bool] = []

        def become(export: Path) -> None:
            if not attached:
                run.method.attach(base, run.family, run.config)
                attached.append(True)
            run.method.apply(export, base, run.family)

        yield base, become


def place_of(folder: Path, export: Path | None, number: int) -> Path:
    """Return the file of a picture; of the base model without an export."""
    stem = BASE if export is None else export.name.removesuffix(".safetensors")
    return folder / f"{stem}--{number:02d}.png"


def draw_exports(
    run: Run,
    exports: Sequence[Path],
    asked: Sequence[PickPicture],
    folder: Path,
    console: Console,
) -> dict[Path | None, "list[Image.Image]"]:
    """Draw what is missing of the pictures of the base model and of each export; return all.

    A picture is kept by its prompt and the digest of what it shows: the same call again draws
    nothing. One that came out as no numbers is grey.

    Raises:
        MachineError: The disk is full.
    """
    from PIL import Image

    prompts = [one.prompt for one in asked]
    each = [None, *exports]
    lacking = {
        export: missing for export in each if (missing := _missing(run, export, prompts, folder))
    }
    if lacking:
        count = sum(map(len, lacking.values()))
        with opened_model(run) as (base, become), console.progress("drawing", count) as progress:
            coder = opened_vae(run.found.path, base.device)
            for export, numbers in lacking.items():
                if export is not None:
                    become(export)
                drawer = Drawer(base, coder, shown(run, export))
                for number in numbers:
                    data = _drawn(drawer, prompts[number])
                    files.write(place_of(folder, export, number), data)
                    progress.advance()
    return {
        export: [
            Image.open(place_of(folder, export, n)).convert("RGB") for n in range(len(prompts))
        ]
        for export in each
    }


def shown(run: Run, export: Path | None) -> Shown:
    """Return what pictures of an export show beside their prompts."""
    if export is None:
        return Shown(run.family, run.base_name, [], run.config.clip_skip)
    if run.method.form(run.config):
        return Shown(run.family, export.name, [], run.config.clip_skip)
    kind = kind_of(export)
    lora = ShownLora(run.name, digest=kind.digest(export), word=kind.word or "embedding")
    return Shown(run.family, run.base_name, [lora], run.config.clip_skip)


def _missing(run: Run, export: Path | None, prompts: Sequence[Prompt], folder: Path) -> list[int]:
    told = shown(run, export)
    return [
        number
        for number, prompt in enumerate(prompts)
        if not (place := place_of(folder, export, number)).exists()
        or not is_of(place, told.text(prompt))
    ]


def _drawn(drawer: Drawer, prompt: Prompt) -> bytes:
    from PIL import Image

    try:
        picture = drawer.picture(prompt)
    except NotFiniteError:
        picture = Image.new("RGB", (prompt.width, prompt.height), "grey")
    return png(picture, drawer.shown.text(prompt))
