"""Which captioners there are, as rows of data. Adding a family is adding a row."""

from dataclasses import dataclass

from tagger_models.captioners.prompt_templates import PRESETS

SERVE = "serve it with vLLM, LM Studio or ollama, and name that server: `--url`"


@dataclass(frozen=True)
class CaptionerFamily:
    """How one kind of captioner is asked and read.

    Attributes:
        kind: `model_type` of its config.json; empty for every kind without a row.
        reads: What it does with a prompt: `continues` it, obeys it as a `task`, or is `asked` it.
        usual: The prompt where a person gives none.
        first: Token before the words of a prompt; empty where its processor puts it.
        dropped: How many tokens at the end of a prompt its model takes off.
        marks: Tokens that are no text, though its tokenizer does not call them special.
        dtype: What its weights are computed in; `auto` is what its config.json says.
        lacking: What to do where weights lack.
        sources: Where this was read; no row was run with the weights that its authors publish.
    """

    kind: str
    reads: str
    usual: str = ""
    first: str = ""
    dropped: int = 0
    marks: tuple[str, ...] = ()
    dtype: str = "auto"
    lacking: str = "fetch the weights again from where the model came from"
    sources: tuple[str, ...] = ()


FAMILIES = (
    CaptionerFamily(
        kind="blip",
        reads="continues",
        dropped=1,
        marks=("[DEC]", "[ENC]"),
        dtype="float32",
        sources=("`generate` of transformers 5.23, models/blip/modeling_blip.py",),
    ),
    CaptionerFamily(
        kind="blip-2",
        reads="continues",
        sources=("`generate` and Blip2Processor of transformers 5.23, models/blip_2",),
    ),
    CaptionerFamily(
        kind="git",
        reads="continues",
        first="[CLS]",
        dtype="float32",
        sources=("the example of `GitForCausalLM.forward`, transformers 5.23, models/git",),
    ),
    CaptionerFamily(
        kind="florence2",
        reads="task",
        usual="<DETAILED_CAPTION>",
        dtype="float32",
        lacking=(
            "Microsoft's own folders need code of theirs: take one made for transformers, such as "
            "`florence-community/Florence-2-large`"
        ),
        sources=("Florence2Processor of transformers 5.23: tasks and what they ask",),
    ),
)
OTHER = CaptionerFamily(
    kind="",
    reads="asked",
    usual=PRESETS["sentence"],
    sources=("chat templates: `apply_chat_template` of transformers 5.23, processing_utils.py",),
)


def family_of(kind: str) -> CaptionerFamily:
    """Return the row of a kind of model; that of any image-text model where it has none."""
    return next((row for row in FAMILIES if row.kind == kind), OTHER)
