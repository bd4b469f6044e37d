"""A whole model's export, written and opened before the training, without a weight.

Networks are on the meta device: names, shapes, settings, tokenizers and schedule go through the
readers that will open the export. What it could not hold is told before anything is trained.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prep.models import single_file
from prep.models.file_layouts import Layout
from prep.models.file_widths import config
from prep.models.tokenizer import shipped_tokenizer
from prep.runtime.errors import ConfigError, UserError
from train.export import folder_rest
from train.families import loading
from train.families.family import Base
from train.families.ldm_file import keeps_process

# Settings that decide nothing that a network computes from a text in full precision.
_IDLE = frozenset(
    {
        "_class_name", "architectures", "attention_dropout", "bos_token_id", "dropout",
        "eos_token_id", "force_upcast", "initializer_factor", "initializer_range", "model_type",
        "pad_token_id", "projection_dim", "sample_size", "upcast_attention",
    }
)  # fmt: skip


def rehearse(form: str, base: Base, vae: Any, source: Path, layout: Layout | None) -> None:
    """Raise ConfigError where an export, opened by its readers, would be another model.

    Args:
        form: `folder` or `file`.
        base: On the meta device; so is its VAE.
        source: The base model's folder or file.
        layout: Of a single file.
    """
    try:
        why = next(_FORMS[form](base, vae, source, layout), None)
    except (UserError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
    if why is not None:
        told, hint = _TOLD[form]
        raise ConfigError(f"`{source}` cannot be written {told}: {why}", hint)


def _of_file(base: Base, vae: Any, source: Path, layout: Layout | None) -> Iterator[str]:
    """Yield what a single file would have otherwise: it has no settings, tokenizers or schedule."""
    if layout is None:
        yield "models of its kind are written as folders alone"
        return
    for part, module in {"unet": base.network, **base.encoders, "vae": vae}.items():
        yield from _part_of_file(layout, part, module)
    for name, own in base.tokenizers.items():
        if source.is_dir() and not _same_words(own, shipped_tokenizer(layout.padding.get(name))):
            yield f"its `{name}` has other words than CLIP's, and a file holds none"
    if not keeps_process(layout, base.process):
        yield "its schedule of noise is another than that of its kind"


def _part_of_file(layout: Layout, part: str, module: Any) -> Iterator[str]:
    """Yield what a part has otherwise once it was written into a file and read from it."""
    title = loading.title(part)
    written = layout.to_file(part, module.state_dict())
    used = {name: one for name, one in written.items() if layout.is_used(part, name)}
    shapes = {name: tuple(o.shape) for name, o in single_file.renamed(layout, part, used).items()}
    if other := sorted(_shapes(module).items() ^ shapes.items()):
        yield f"a file has another `{other[0][0]}` of the {title}"
    facts = config(layout, part, shapes)
    for word in sorted({*facts, "shift_factor"} - _IDLE):
        own, read = getattr(module.config, word, None), facts.get(word)
        if _plain(own) != _plain(read):
            yield f"`{word}` of its {title} is {own}, of a file {read}"


def _of_folder(base: Base, vae: Any, source: Path, layout: Layout | None) -> Iterator[str]:
    """Yield what a folder would have otherwise, opened as the pipeline that its index names."""
    import diffusers

    parts = {base.part: base.network, **base.encoders, **base.frozen, "vae": vae}
    with tempfile.TemporaryDirectory() as scratch, loading.quiet():
        folder = Path(scratch)
        folder_rest.write(folder, base, source, layout)
        for part, module in parts.items():
            kind = f"{type(module).__module__.partition('.')[0]}.{type(module).__name__}"
            save = getattr(module, "save_config", None) or module.config.save_pretrained
            save(str(folder / part))
            if _shapes(loading.on_meta(kind, folder / part)) != _shapes(module):
                yield f"its {loading.title(part)} is not what its settings say"
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        pipeline: Any = getattr(diffusers, index["_class_name"])
        absent = {name: None for name, value in index.items() if value == [None, None]}
        opened = pipeline.from_pretrained(str(folder), local_files_only=True, **absent | parts)
        for name, own in base.tokenizers.items():
            if name not in index:
                yield f"its index names no `{name}`"
            elif not _same_words(own, getattr(opened, name)):
                yield f"its `{name}` reads back with other words"
        predicts = getattr(opened.scheduler.config, "prediction_type", base.process.prediction)
        if predicts != base.process.prediction:
            yield "its schedule reads back with another prediction"


_FORMS: Mapping[str, Callable[[Base, Any, Path, Layout | None], Iterator[str]]] = {
    "folder": _of_folder,
    "file": _of_file,
}
_TOLD = {
    "folder": ("back", "fetch its files again, or name another base model"),
    "file": ("as one file", "write a folder: leave out `--save-as`"),
}


def _shapes(module: Any) -> dict[str, tuple[int, ...]]:
    return {
        name.removeprefix("text_model."): tuple(one.shape)
        for name, one in module.state_dict().items()
    }


def _plain(value: Any) -> Any:
    """Return a setting so that two ways of saying the same are equal."""
    if isinstance(value, list | tuple):
        return value[0] if len(set(value)) == 1 else list(value)
    return value or 0


def _same_words(one: Any, two: Any) -> bool:
    return bool(one.get_vocab() == two.get_vocab() and one.pad_token == two.pad_token)
