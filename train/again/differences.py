"""What is not as it was when an export was made, in a person's words. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from train.data.captions import whole_texts
from train.run.decide import Run

_SHOWN = 60  # characters of a text


def differences(
    then: Mapping[str, Any], run: Run, program: str, packages: Mapping[str, str]
) -> Iterator[str]:
    """Yield what differs, a line each; nothing where another training gives the same bytes.

    Args:
        then: The certificate.
        run: What would be trained now, with its settings.
        program: Name and version of this program.
        packages: Version of each package that computes, as they are here.
    """
    yield from _of_samples(then["samples"], run)
    if then["base_digest"] != run.base_digest:
        yield f"the base model `{run.base}` is another one than `{then['base']}` of then"
    if then["program"] != program:
        yield f"it was made by {then['program']}, and this is {program}"
    yield from _of_packages(then.get("packages", {}), packages)


def _of_packages(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*then, *now} if then else ()):
        before, here = (each.get(name, "not installed") for each in (then, now))
        if before != here:
            yield f"the package {name} was {before}, and is {here} here"


def _of_samples(then: Mapping[str, Mapping[str, Any]], run: Run) -> Iterator[str]:
    """Yield which pictures are gone, new or changed, and in what."""
    now, contents = run.data.samples, run.data.contents()
    for key in sorted({*then, *now}):
        if key not in now:
            yield f"`{key}` is not among the pictures any more"
            continue
        if key not in then:
            yield f"`{key}` is new among the pictures"
            continue
        row, one = then[key], now[key]
        texts = whole_texts(one, run.config)
        text = texts if one.each else texts[0]
        if row["sha256"] != one.digest:
            yield f"`{key}` is another picture: its file changed"
        elif "text" in row and row["text"] != text:
            yield f"the text of `{key}` is `{_short(text)}`, and was `{_short(row['text'])}`"
        elif row.get("mask", "") != one.mask_digest:
            yield f"the mask of `{key}` changed"
        elif row.get("content", contents[key]) != contents[key]:
            yield f"the latents, bucket, words, repeats or weight of `{key}` changed"


def _short(text: Any) -> str:
    plain = " | ".join(text) if isinstance(text, list) else str(text)
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."
