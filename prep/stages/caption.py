"""What a captioner says of each picture, where no person wrote a caption.

The words are kept as they came: what makes a caption of them costs no inference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.models.locate import Ask, FoundModel
from prep.runtime.seeds import MOST_SEED, seed_for
from prep.stage import Failed, param, stage
from tagger_models.captioners.captioner import DEFAULT, Decoding, Trouble
from tagger_models.captioners.prompt_templates import PRESETS, chosen, filled_for, variables

# The artifact that holds a variable of a prompt.
_HOLDS = {
    "tags": "tags?",
    "name": "key",
    "folder": "key",
    "notes": "notes?",
    "caption": "yours.caption?",
}


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param(
        DEFAULT,
        "a captioner: hub id, folder or `tiny`; with `url` the server's name",
        model=True,
    )
    # The address is no part of a recipe: the same model says the same wherever it is served, and
    # a server that moves must not cost every caption. Its name is, and so is all it is sent.
    url: str = param("", "address of an OpenAI-compatible server that has the model", speed=True)
    prompt: str = param("", "what is asked, or words to begin with; may hold {tags}, {name}, ...")
    preset: str = param(
        "",
        "a ready question: sentence, detailed, character, style or tags",
        choices=("", *PRESETS),
    )
    beams: int = param(3, "width of the beam search; not on a server", ge=1, le=64)
    temperature: float = param(
        0.0, "0: the likeliest words; above: words drawn by chance", ge=0, le=10
    )
    seed: int = param(
        0, "with every picture's own bytes, decides what chance draws", ge=0, le=MOST_SEED
    )
    max_new_tokens: int = param(75, "most tokens of an answer", ge=1, le=4096)
    forbid: str = param("", "words that no caption may have, with commas between them")
    image_size: int = param(1024, "px; a server is sent no larger pictures", ge=32, le=8192)
    batch: int = param(
        0, "pictures per call of the model; 0: 1 on the CPU, else 4", ge=0, le=1024, speed=True
    )
    device: str = param("auto", "auto, cpu or cuda", speed=True, choices=("auto", "cpu", "cuda"))
    at_once: int = param(4, "pictures that a server has at a time", ge=1, le=64, speed=True)
    timeout_s: float = param(
        300.0, "how long a server may take for an answer", gt=0, le=86_400, speed=True
    )


def models(params: Params) -> tuple[Ask, ...]:
    """Return what the captioner consists of."""
    from tagger_models.captioners.local import ask_captioner
    from tagger_models.captioners.openai import ask_endpoint

    if params.url:
        return (ask_endpoint(params.url, params.model),)
    return (ask_captioner(params.model),)


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Open the captioner; its heavy imports happen here."""
    from tagger_models.captioners.local import open_captioner
    from tagger_models.captioners.openai import open_endpoint

    if params.url:
        key, name = found[0].key, found[0].ask.name
        return open_endpoint(params.url, name, key, params.timeout_s, params.image_size)
    return open_captioner(found[0], params.preset, params.device)


def inputs_for(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is read: of tags, names and notes only what the prompt asks for.

    Raises:
        ConfigError: The prompt has a mistake, or there are two of them.
    """
    template = chosen(values.get("prompt", ""), values.get("preset", ""))
    drawn = ["digest"] if values.get("temperature", 0) > 0 else []
    asked = [_HOLDS[name] for name in variables(template)]
    return tuple(dict.fromkeys(["image", *drawn, *asked]))


@stage(
    version=2,
    reads=("image", "digest?", "tags?", "key", "notes?", "yours.caption?"),
    writes="answer",
    params=Params,
    done="",
    shown=lambda answer: answer["text"],
    models=models,
    load=load,
    batch="batch",
    superseded_by="caption",
    inputs_for=inputs_for,
    fit=lambda params, captioner, others: captioner.fit,
    concurrency=lambda params: params.at_once if params.url else 0,
    flush_each=True,
)
def caption(rows: Sequence[Mapping[str, Any]], params: Params, captioner: Any) -> list[Any]:
    """Write a sentence about each picture, as x.caption; yours are kept.

    Returns:
        Per picture `text`, the words as they came, and `end`: done, cut or refused.
    """
    ready = [row for row in rows if not _lacks_tags(row)]
    found = iter(_asked(ready, params, captioner) if ready else [])
    return [_NO_TAGS if _lacks_tags(row) else next(found) for row in rows]


_NO_TAGS = Failed(
    "its prompt asks for its tags, and it has none yet",
    "tag it first: `prep tag`; in pipelines.yaml, `tag` stands before `caption`",
    passing=True,
)


def _lacks_tags(row: Mapping[str, Any]) -> bool:
    return "tags" in row and row["tags"] is None


def _asked(rows: Sequence[Mapping[str, Any]], params: Params, captioner: Any) -> list[Any]:
    """Return what the captioner says of pictures that have all that their prompts ask for."""
    from tagger_models.captioners.cleanup import forbidden

    template = chosen(params.prompt, params.preset)
    decoding = Decoding(
        params.beams,
        params.max_new_tokens,
        params.temperature,
        forbidden(params.forbid),
        alone=len(inputs_for(vars(params))) > 1,
    )
    found = captioner.caption(
        [row["image"] for row in rows],
        [filled_for(template, row) for row in rows],
        [seed_for(params.seed, "caption", row.get("digest", "")) for row in rows],
        decoding,
    )
    return [
        Failed(one.why, one.hint, passing=True)
        if isinstance(one, Trouble)
        else {"text": one.text, "end": one.end.value}
        for one in found
    ]
