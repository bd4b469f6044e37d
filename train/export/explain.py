"""What a file says of itself, in a person's words. Reads the header and checks the bytes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prep.models import file_layouts, safetensors_file
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.adapters import adapter_file, lora_metadata
from train.adapters.file_kinds import LORA, kind_of
from train.adapters.lora_metadata import certificate
from train.adapters.run_exports import export_of
from train.export.average import AVERAGED

_SHOWN = 20


def explain(path: Path, console: Console) -> None:
    """Print a file's certificate; all pictures with `-v`, everything as one object with `--json`.

    It is a LoRA, an embedding or a hypernetwork.

    Raises:
        ModelFileError: The file is missing, damaged or of no such kind, or holds NaN.
    """
    path = export_of(path)
    if not path.is_file():
        raise adapter_file.absent(path)
    kind = kind_of(path)
    unread = _unread(path) if kind is LORA else kind.check(path)
    kind.check_numbers(path)
    said = lora_metadata.said(path)
    born = certificate(said)
    lines = [
        *(kind.told or _modules)(path),
        *_file(path, said),
        *unread.lines(),
        *_training(said),
        *(_birth(born, console.level) if born else ()),
    ]
    if not born:
        lines.append("no certificate: another program made it")
    console.say(*lines, metadata=dict(said), certificate=born)


def _unread(path: Path) -> adapter_file.Sorted:
    """Return what of a LoRA is not applied, and what is.

    Raises:
        ModelFileError: It is no LoRA.
    """
    if path.suffix.lower() != ".safetensors":
        raise ModelFileError(f"`{path}` is not a `.safetensors` file", "name a LoRA")
    head = safetensors_file.header(path)
    found = adapter_file.sort(head.tensors)
    what = file_layouts.what(head.tensors.keys())
    kinds = set(found.unread) - {adapter_file.UNKNOWN}
    if what == file_layouts.OTHER and kinds:
        what = f"a file of {', '.join(sorted(kinds))}"
    if what != "a LoRA" and not found.changed:
        raise ModelFileError(f"`{path}` is {what}, not a LoRA", "name a LoRA")
    return found


def _modules(path: Path) -> Iterator[str]:
    head = safetensors_file.header(path)
    said, read = head.metadata, adapter_file.sort(head.tensors)
    begun = {*read.modules, *read.torn}
    modules, text = len(begun), sum(name.startswith(("lora_te", "text_encoder")) for name in begun)
    inside = f", {text} of them in the text encoder" if text else ""
    rank, alpha = said.get("ss_network_dim", "?"), said.get("ss_network_alpha", "?")
    kind, acting = read.kind(), f"of rank {rank} and alpha {alpha}"
    acting = f"in blocks of up to {rank}" if kind == "an OFT" else acting
    yield f"{path.name}: {kind} {acting}, {counted(modules, 'module')}{inside}"


def _file(path: Path, said: Mapping[str, str]) -> Iterator[str]:
    written = said.get("sshs_model_hash")
    if written:
        same = safetensors_file.data_digest(path) == written
        yield "tensors: " + ("as they were written" if same else "NOT those that were written")
    if words := said.get("modelspec.trigger_phrase"):
        yield f"words that call it: {words}"


def _training(said: Mapping[str, str]) -> Iterator[str]:
    if base := said.get("ss_sd_model_name"):
        kind = said.get("modelspec.architecture", said.get("ss_base_model_version", "?"))
        yield f"base model: {base} ({kind.partition('/')[0]})"
    if start := said.get("prep_start_from"):
        yield f"went on from: {start}"
    if steps := said.get("ss_steps"):
        yield (
            f"trained: {steps} {'step' if steps == '1' else 'steps'} of "
            f"{_samples(said)}, learning rate "
            f"{said.get('ss_learning_rate', '?')} ({said.get('ss_lr_scheduler', '?')}), "
            f"seed {said.get('ss_seed', '?')}{_half(said)}"
        )
    if averaged := said.get(AVERAGED):
        rows = json.loads(averaged)
        each = ", ".join(f"step {row['step']} x {row['weight']:.3f}" for row in rows)
        yield f"average of {counted(len(rows), 'export')} of that run: {each}"
    if decay := (certificate(said) or {}).get("config", {}).get("ema"):
        yield f"weights: their moving average over the steps, decay {decay}"


def _half(said: Mapping[str, str]) -> str:
    """Return in what half precision was computed, as the end of a sentence."""
    precision = said.get("ss_mixed_precision", "no")
    return f", in {precision}" if precision != "no" else ""


def _samples(said: Mapping[str, str]) -> str:
    """Return how many samples a step had, and in how many batches.

    Buckets leave batches short: what a certificate has counted is told, or else the most there can
    have been.
    """
    most, passes = said.get("ss_total_batch_size", "?"), said.get("ss_gradient_accumulation_steps")
    born, steps = certificate(said), said.get("ss_steps", "")
    told, tail, some = f"up to {most}", "", "up to "
    if born and steps.isdecimal() and int(steps):
        average = sum(row["seen"] for row in born["samples"].values()) / int(steps)
        if f"{average}" == f"{most}.0":
            told, some = most, ""
        else:
            told, tail = f"{average:.1f}", " on average"
    if passes in (None, "1"):
        return told + tail
    batch = said.get("ss_batch_size_per_device", "?")
    each = batch if batch == "1" else some + batch
    return f"{told} samples{tail} ({some}{passes} batches of {each})"


def _birth(born: Mapping[str, Any], level: int) -> Iterator[str]:
    yield f"base model's digest: {born['base_digest']}"
    yield f"made by: {born['program']}, recipe {born['recipe']}"
    samples = born["samples"]
    masks = sum("mask" in row for row in samples.values())
    masked = f", with a mask: {masks}" if masks else ""
    yield f"pictures: {len(samples)}{masked}, kept for validation: {born['held_out']}"
    shown = len(samples) if level > 1 else _SHOWN
    for key, row in list(samples.items())[:shown]:
        text = row.get("text", "")
        told = " | ".join(text) if isinstance(text, list) else text
        yield f"  {key}  sha256 {row['sha256'][:12]}  seen {row['seen']}  {told}"
    if len(samples) > shown:
        yield f"  and {len(samples) - shown} more; `-v` shows all"
