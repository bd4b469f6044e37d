"""What every stage makes of three pictures, worked out from the declarations, without the engine.

A stage that is added is met here by what it declares: nothing names one.
"""

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import openpyxl
from PIL import Image

from prep.dataset.file_names import link_before
from prep.images.fitting import fitted
from prep.likeness.appearance import inside_of, size_of, vectors
from prep.models.locate import Models
from prep.report.small_pictures import unpacked as small_copies
from prep.sheets.columns import WORDS
from prep.stage import (
    ALPHA,
    MASK_FILE,
    PIXELS,
    SIZE,
    WITH_PIXELS,
    Derived,
    Page,
    Rejected,
    Rows,
    Shape,
    Stage,
)
from prep.stages import all_stages
from tagger_models.scores import unpacked

SIZES = {"10_toy/wide.png": (321, 256), "small.png": (288, 160), "square.png": (300, 300)}
FACTS = {
    "file": "meta.json", "root": ".", "state": ".prep", "program": "prep", "made_by": {}
}  # fmt: skip


def pictures() -> dict[str, Image.Image]:
    """Return three RGB pictures made of arithmetic: they can never change."""
    found = {}
    for number, (key, (width, height)) in enumerate(SIZES.items()):
        down, across = np.mgrid[:height, :width]
        red, green = across * 255 // width, down * 255 // height
        blue = (across // 16 + down // 16 + number) % 2 * 200
        found[key] = Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8))
    return found


@dataclass
class Bench:
    """The stages with default params, `tiny` as every model, and the three pictures.

    Attributes:
        models: Where `tiny` is found.
    """

    models: Models
    stages: Mapping[str, Stage] = field(default_factory=all_stages)
    _made: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def pictures(self) -> dict[str, Image.Image]:
        """Key -> picture."""
        return pictures()

    def producer(self, artifact: str) -> Stage | None:
        """Return the stage that writes an artifact of a sample."""
        shapes = (Shape.MAP, Shape.DECISION)
        found = [s for s in self.stages.values() if s.writes == artifact and s.shape in shapes]
        return found[0] if found else None

    def params(self, stage: Stage) -> Any:
        """Return params that want the stage: defaults, with `tiny` where a model is asked for."""
        asked = ("model",) if stage.enabled is None else ("model", "second")
        named = [name for name in asked if name in stage.params.__dataclass_fields__]
        return stage.params(**dict.fromkeys(named, "tiny"))

    def found(self, stage: Stage) -> tuple[Any, ...]:
        """Return the models that a stage asks for."""
        asks = stage.models(self.params(stage)) if stage.models else ()
        return tuple(self.models.find(ask) for ask in asks)

    def digests(self, stage: Stage) -> list[str]:
        """Return the digests of all models that decide a stage's result, those before it too."""
        own = {self.models.digest(model) for model in self.found(stage)}
        before = [self.producer(name) for name, _ in self.given(stage).needs()]
        before += self._continued(stage)
        return sorted(own.union(*(self.digests(one) for one in before if one is not None)))

    def given(self, stage: Stage) -> Stage:
        """Return a stage as a run with these params has it."""
        return stage.given(vars(self.params(stage)))

    def made(self, stage: Stage) -> Any:
        """Return what a stage makes: key -> value, or for a view its bytes."""
        stage = self.given(stage)
        if stage.name not in self._made:
            loaded = [stage.load(self.params(stage), self.found(stage))] if stage.load else []
            self._made[stage.name] = self._run(stage, [self.params(stage), *loaded])
        return self._made[stage.name]

    def _run(self, stage: Stage, last: list[Any]) -> Any:
        stage = stage.given(vars(last[0]))
        rows = {key: self._row(stage, key) for key in sorted(self.pictures)}
        rows = {key: row for key, row in rows.items() if row is not None}
        if stage.fit is not None:
            names, loaded = [name for name, _ in stage.needs()], (*last, None)[1]
            each = {key: dict(zip(names, row, strict=True)) for key, row in rows.items()}
            rows = {
                key: tuple(
                    fitted(value.copy(), stage.fit(last[0], loaded, row)) if n in PIXELS else value
                    for n, value in row.items()
                )
                for key, row in each.items()
            }
        if stage.shape is Shape.VIEW:
            names = [name for name, _ in stage.needs()]
            cells = {key: dict(zip(names, row, strict=True)) for key, row in rows.items()}
            facts = FACTS | self._previous(stage)
            made = stage.run(Rows(cells, {}, facts, columns=WORDS), *last)
            return made.data if isinstance(made, Page) else made
        if stage.shape is Shape.DECISION:
            return stage.run(rows, *last)
        if stage.batch is None:
            return {key: stage.run(*stage.arguments(row), *last) for key, row in rows.items()}
        each = {key: stage.arguments(row) for key, row in rows.items()}
        return {key: stage.run(*([one] for one in given), *last)[0] for key, given in each.items()}

    def _row(self, stage: Stage, key: str) -> tuple[Any, ...] | None:
        """Return what a stage reads of a sample; None where something that it needs is not."""
        cells = []
        for name, optional in stage.needs():
            value = self._value(name, key, large=stage.shape is not Shape.VIEW)
            if value is None and not optional:
                return None
            cells.append(value)
        return tuple(cells)

    def _value(self, name: str, key: str, large: bool) -> Any:
        if name == "image":
            return self.pictures[key]
        if name in PIXELS:
            return self.pictures[key].convert("L").convert("RGB")
        if name in WITH_PIXELS:
            return list(self.pictures[key].size) if name == SIZE else []
        if name == "digest":
            return hashlib.sha256(key.encode()).hexdigest()
        producer = self.producer(name)
        if producer is None:
            return None
        if not large and {MASK_FILE, ALPHA} & dict(producer.needs()).keys():
            return None  # as most pictures have no mask: their dataset files stay what they were
        if producer.suffix and not large:  # a view is told where it lies
            return f"{name}/{list(SIZES).index(key)}{producer.suffix}"
        value = self.made(producer).get(key)  # none where it lacks what it reads
        return None if isinstance(value, Rejected) else value

    def _previous(self, stage: Stage) -> dict[str, bytes]:
        """Return the file that a view continues, as a fact about the whole; empty for the first."""
        views = self._continued(stage)
        return {"previous": self.made(views[0])} if views else {}

    def _continued(self, stage: Stage) -> list[Stage]:
        """Return the view whose file a view continues; none for the first and for other stages."""
        before = link_before(stage.link)
        views = self.stages.values() if before is not None else ()
        return [view for view in views if view.link == before]


def summary(value: Any) -> tuple[Any, list[float]]:
    """Return a result as what has to be equal, and numbers that have to be near."""
    numbers: list[float] = []
    return _exact(value, numbers), numbers


def _exact(value: Any, numbers: list[float]) -> Any:
    if isinstance(value, Rejected):
        return f"rejected: {value.why}"
    if isinstance(value, Derived):
        told = [value.name, list(value.box), value.flip, _exact(value.image, numbers)]
        more = [_exact(value.steps, numbers), _exact(value.about, numbers)]
        return told + more if value.steps or value.about else told
    if isinstance(value, Image.Image):
        return [value.mode, list(value.size), hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, Mapping):
        return {key: _exact(one, numbers) for key, one in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_exact(one, numbers) for one in value]
    if isinstance(value, float):
        numbers.append(value)
        return "a number"
    return value


def opened(writes: str, data: bytes) -> Any:
    """Return bytes as values, where they hold floats; else their text."""
    own = {"latents": _tensors, "page_thumbnail": _small, "report.html": _page}
    if writes.endswith("scores"):
        return dict(unpacked(data))
    if writes in own:
        return own[writes](data)
    if writes == "appearance":
        numbers = hashlib.sha256(vectors(data).tobytes()).hexdigest()
        return [
            *size_of(data),
            *inside_of(data),
            numbers,
            opened("", data[data.index(b"\xff\xd8\xff") :]),
        ]
    if data.startswith(b"\xff\xd8"):  # what JPEG makes of pixels belongs to its library
        return _near(data)
    if data.startswith(b"\x89PNG"):
        grey = Image.open(io.BytesIO(data))
        return [grey.mode, *grey.size, hashlib.sha256(grey.tobytes()).hexdigest()]
    if data.startswith(b"PK"):
        pages = openpyxl.load_workbook(io.BytesIO(data)).worksheets
        return [[list(cells) for cells in page.iter_rows(values_only=True)] for page in pages]
    return data.decode()


def _near(data: bytes) -> list[Any]:
    small = Image.open(io.BytesIO(data)).convert("RGB")
    return [*small.size, *(float(value / 255) for value in small.resize((2, 2)).tobytes())]


def _page(data: bytes) -> Any:
    """Return a page with its script's data as values, and its pictures as what has to be near."""
    before, inside = data.decode().split('id="data">')
    told, after = inside.split("</script>", 1)
    values = json.loads(told)
    images = [_near(base64.b64decode(one.pop("image"))) for one in values["pictures"]]
    return [before, values, images, after]


def _small(data: bytes) -> list[Any]:
    return [_near(copy) for copy in small_copies(data)]


def _tensors(data: bytes) -> dict[str, Any]:
    return dict(_each_tensor(data))


def _each_tensor(data: bytes) -> Iterator[tuple[str, Any]]:
    from safetensors.torch import load

    for name, tensor in sorted(load(data).items()):
        flat = tensor.float().flatten()
        some = flat[:: max(1, len(flat) // 16)].tolist()
        yield name, [list(tensor.shape), str(tensor.dtype), flat.mean().item(), *some]
