"""What a file says of itself, in a person's words: any LoRA, fine-tune or embedding of any tool."""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from prep.models import safetensors_file
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.adapters import adapter_file, embedding_file, finite_numbers, hypernetwork_file
from train.adapters.lora_metadata import certificate
from train.export.average import AVERAGED
from train.weights import told_sources, told_training
from train.weights.adapter_family import FAMILIES
from train.weights.contents import (
    ADAPTER,
    EMBEDDING,
    HYPERNETWORK,
    UNKNOWN,
    Contents,
    contents,
)
from train.weights.hidden_words import digest, hidden, hidden_certificate
from train.weights.module_norms import alpha_of, block_size, rank_of
from train.weights.weight_source import WeightSource, opened

_SHOWN = 20


def explain(place: Path, console: Console, private: bool = False) -> None:
    """Print what a file was made of: all pictures with `-v`, everything as an object with `--json`.

    Args:
        private: Print no caption, path or word of a person: digests in their place.

    Raises:
        ModelFileError: It is missing, damaged or no file of weights, or an adapter that holds NaN.
    """
    source = opened(place)
    what = contents(source)
    if what.kind == UNKNOWN:
        raise ModelFileError(
            f"`{source.place}` is {what.told}", "name a LoRA, an embedding or a model"
        )
    _check_numbers(source, what)
    hyper = what.kind == HYPERNETWORK
    said = hypernetwork_file.said(source.place) if hyper else source.metadata
    born = certificate(said)
    lines = [
        *_first(source, what, said, private),
        *_file(source, said, private),
        *_unread(source, what),
        *_base(what, said, private),
        *_training(said),
        *told_sources.lines(said, private),
        *(_birth(born, console.level, private) if born else told_training.lines(said, private)),
    ]
    if not born:
        lines.append(told_sources.no_certificate(said))
    facts = hidden(said) if private else dict(said)
    shown = hidden_certificate(born) if born and private else born
    console.say(*lines, metadata=facts, certificate=shown)


def _check_numbers(source: WeightSource, what: Contents) -> None:
    """Raise ModelFileError where an adapter holds NaN; `train inspect` looks at models."""
    if what.kind == HYPERNETWORK:
        hypernetwork_file.check(source.place)
        hypernetwork_file.check_numbers(source.place)
    elif what.kind in (ADAPTER, EMBEDDING) and not source.is_pickle:
        finite_numbers.check_finite(source.place)


def _first(
    source: WeightSource, what: Contents, said: Mapping[str, str], private: bool
) -> Iterator[str]:
    """Yield what it is, in a line."""
    name = "it is" if private else f"{source.place.name}:"
    if what.kind == ADAPTER:
        yield f"{name} {_adapter(source, what, said)}"
    elif private:
        yield f"{name} {what.sentence()}"
    elif what.kind == HYPERNETWORK:
        yield from hypernetwork_file.told(source.place)
    elif what.kind == EMBEDDING and embedding_file.fits(source.place):
        embedding_file.check(source.place)
        yield from embedding_file.told(source.place)
    else:
        yield f"{name} {what.sentence()}"


def _adapter(source: WeightSource, what: Contents, said: Mapping[str, str]) -> str:
    """Return what an adapter is: rank and alpha as it says, else as its tensors have them."""
    modules = what.modules
    text = sum(name.startswith(("lora_te", "text_encoder", "te1_", "te2_")) for name in modules)
    inside = f", {text} of them in the text encoder" if text else ""
    whole = [one for one in modules.values() if one.is_whole()]
    ranks = {rank_of(source, one) for one in whole} - {0}
    blocks = {block_size(source, one) for one in whole} - {0}
    alphas = {alpha_of(source, one) for one in whole}
    rank = _told(said.get("ss_network_dim")) or _span(ranks)
    told = _told(said.get("ss_network_alpha"))
    alpha = told or _span({one for one in alphas if one is not None})
    if alphas == {None} and not told:
        alpha = f"{rank}, as none is said"
    acting = f"of rank {rank} and alpha {alpha}"
    if blocks and not ranks:
        acting = f"in blocks of up to {said.get('ss_network_dim') or max(blocks)}"
    naming = f", in {what.naming}" if what.naming not in ("", "kohya's names") else ""
    return f"{what.told} {acting}, {counted(len(modules), 'module')}{inside}{naming}"


def _told(text: str | None) -> str:
    """Return a number as metadata have it; empty for a word, as `Dynamic` of several."""
    try:
        return text if text and isfinite(float(text)) else ""
    except ValueError:
        return ""


def _span(found: set[int] | set[float]) -> str:
    """Return a number, or the least and the largest of some; `?` where there is none."""
    each = sorted(found)
    if not each:
        return "?"
    return f"{each[0]:g}" if len(each) == 1 else f"{each[0]:g} to {each[-1]:g}"


def _file(source: WeightSource, said: Mapping[str, str], private: bool) -> Iterator[str]:
    written = said.get("sshs_model_hash")
    if written and source.place.suffix.lower() == ".safetensors":
        same = safetensors_file.data_digest(source.place) == written
        yield "tensors: " + ("as they were written" if same else "NOT those that were written")
    if private and not source.is_folder:
        yield f"sha256 of the file: {files.digest(source.place)}"
    words, known = told_training.calling(said)
    if words:
        yield f"words that call it: {digest(words) if private else words + known}"


def _unread(source: WeightSource, what: Contents) -> list[str]:
    if what.kind == ADAPTER and not source.is_pickle:
        return adapter_file.sort(source.tensors).lines()
    if what.kind == EMBEDDING and embedding_file.fits(source.place):
        return embedding_file.check(source.place).lines()
    return []


def _base(what: Contents, said: Mapping[str, str], private: bool) -> Iterator[str]:
    """Yield the base model as it is said, else the kind that the tensors show."""
    base = said.get("ss_sd_model_name")
    kind = said.get("modelspec.architecture", said.get("ss_base_model_version", "?"))
    if base:
        yield f"base model: {digest(base) if private else base} ({kind.partition('/')[0]})"
    elif what.kind in (ADAPTER, EMBEDDING) and what.family:
        yield f"base model: not named; one of {FAMILIES[what.family]}, as it looks"
    if start := said.get("prep_start_from"):
        yield f"went on from: {digest(start) if private else start}"


def _training(said: Mapping[str, str]) -> Iterator[str]:
    if steps := said.get("ss_steps"):
        yield (
            f"trained: {steps} {'step' if steps == '1' else 'steps'} of "
            f"{_samples(said)}, learning rate "
            f"{said.get('ss_learning_rate', '?')} ({said.get('ss_lr_scheduler', '?')}), "
            f"seed {said.get('ss_seed', '?')}{_half(said)}"
        )
    if rows := _averaged(said):
        each = ", ".join(f"step {step} x {weight:.3f}" for step, weight in rows)
        yield f"average of {counted(len(rows), 'export')} of that run: {each}"
    if decay := (certificate(said) or {}).get("config", {}).get("ema"):
        yield f"weights: their moving average over the steps, decay {decay}"


def _averaged(said: Mapping[str, str]) -> list[tuple[int, float]]:
    """Return step and weight of each export of an average; none where that is not what is said."""
    try:
        rows = json.loads(said.get(AVERAGED, "[]"))
        return [(int(row["step"]), float(row["weight"])) for row in rows]
    except (ValueError, TypeError, LookupError):
        return []


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


def _birth(born: Mapping[str, Any], level: int, private: bool) -> Iterator[str]:
    yield f"base model's digest: {born.get('base_digest', '?')}"
    yield f"made by: {born.get('program', '?')}, recipe {born.get('recipe', '?')}"
    samples = born["samples"]
    masks = sum("mask" in row for row in samples.values())
    masked = f", with a mask: {masks}" if masks else ""
    held_out = born.get("held_out", 0)
    yield f"pictures: {len(samples)}{masked}, kept for validation: {held_out}"
    shown = len(samples) if level > 1 else _SHOWN
    for key, row in list(samples.items())[:shown]:
        text = row.get("text", "")
        told = " | ".join(map(str, text)) if isinstance(text, list) else text
        if private:
            yield f"  sha256 {row['sha256']}  seen {row['seen']}"
        else:
            yield f"  {key}  sha256 {row['sha256'][:12]}  seen {row['seen']}  {told}"
    if len(samples) > shown:
        yield f"  and {len(samples) - shown} more; `-v` shows all"
