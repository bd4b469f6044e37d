"""Embeddings: vectors of a word, trained alone and read by others."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.dataset.dataset_file import Concept
from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import ConfigError, UserError
from tests.train.conftest import build_dataset, change
from tests.train.runs import new_console, said
from train.adapters import embedding_file, file_kinds, new_words
from train.adapters.new_words import NewWord
from train.data import dataset as datasets
from train.data.caption_templates import TEMPLATES
from train.export import embedding_export
from train.export.lora_file import ProofError
from train.families import all_families
from train.families.family import Base, Family
from train.methods import all_methods, config_of
from train.run import start
from train.samples import sheet
from train.samples.subject import subject_of
from train.samples.wish import Wish, asked
from train.weights.explain import explain

METHOD = all_methods()["embedding"]
TEXT = "a Mascot, pose 1"
NAMES = {"sd15": {"emb_params": 32}, "sdxl": {"clip_l": 32, "clip_g": 48}}


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        told: What it said of itself while it began.
    """

    family: Family
    base: Path
    meta: Path
    config: Any
    made: Path
    told: str

    def opened(self) -> Base:
        """Return the base model with the vectors in it."""
        base = self.family.load(self.base, "cpu")
        METHOD.attach(base, self.family, self.config)
        METHOD.apply(self.made, base, self.family)
        return base


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three vectors for `mascot`, learnt in two steps, for one text encoder and for two."""
    top, family = tmp_path_factory.mktemp("embedding"), all_families()[request.param]
    base = family.tiny.write(top / "base")
    meta = build_dataset(top / "data", base, count=2, buckets=((64, 64),))
    (top / "prompts").write_text("mascot --w 64 --h 64 --s 1\n")
    config = config_of(
        "embedding", token="mascot", vectors=3, initial_words="ab", steps=2, learning_rate=0.1,
        out=top / "runs", name="toy", prompts=top / "prompts",
    )  # fmt: skip
    console = new_console()
    made = start.start([meta], config, Models(top / "home", offline=True), console)
    return Trained(family, base, meta, config, made, said(console)[1])


def test_diffusers_reads_what_was_trained(trained: Trained) -> None:
    """Its own tokenizer and encoder, with our file, give every text the states of the training."""
    from diffusers import DiffusionPipeline

    pipeline: Any = DiffusionPipeline.from_pretrained(str(trained.base), local_files_only=True)
    saved = load_file(trained.made)
    assert {name: tuple(one.shape) for name, one in saved.items()} == {
        name: (3, width) for name, width in NAMES[trained.family.name].items()
    }
    for part, name in trained.family.embeddings.items():
        reader = getattr(pipeline, part.replace("text_encoder", "tokenizer"))
        given = str(trained.made) if len(saved) == 1 else {"<new>": saved[name]}
        encoder = getattr(pipeline, part)
        pipeline.load_textual_inversion(
            given, token="<new>", tokenizer=reader, text_encoder=encoder
        )

    base = trained.opened()
    for chunks, text in ((1, TEXT), (2, f"{'a b ' * 40}, mascot")):
        (found,) = trained.family.encode(base, [text], chunks=chunks)
        other = trained.family.load(trained.base, "cpu")
        for part in trained.family.embeddings:
            other.encoders[part] = getattr(pipeline, part)  # type: ignore[index]
            name = part.replace("text_encoder", "tokenizer")
            other.tokenizers[name] = _Reading(pipeline, getattr(pipeline, name))
        (wanted,) = trained.family.encode(other, [text.replace("Mascot", "mascot")], chunks=chunks)
        assert {word: torch.equal(found[word], wanted[word]) for word in wanted} == dict.fromkeys(
            wanted, True
        )
    plain = trained.family.load(trained.base, "cpu")
    assert not torch.equal(trained.family.encode(plain, [text])[0]["text"], found["text"])


class _Reading:
    """diffusers' tokenizer, asked as its pipelines ask it."""

    def __init__(self, pipeline: Any, tokenizer: Any) -> None:
        self._pipeline, self._tokenizer = pipeline, tokenizer

    def __call__(self, text: str, **how: Any) -> Any:
        text = text.replace("mascot", "<new>")
        return self._tokenizer(self._pipeline.maybe_convert_prompt(text, self._tokenizer), **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def test_only_the_vectors_learn(trained: Trained) -> None:
    """They begin as the initial words, again and again; no other weight gets a gradient."""
    base, family = trained.family.load(trained.base, "cpu"), trained.family
    before = {name: one.clone() for name, one in _weights(base).items()}
    METHOD.attach(base, family, trained.config)

    for part in family.embeddings:
        table = before[f"{part}.{_table(base, part)}.weight"]
        ids = base.tokenizers[part.replace("text_encoder", "tokenizer")]("ab").input_ids[1:-1]
        assert torch.equal(
            new_words.rows_of(base)[part], table[[ids[n % len(ids)] for n in range(3)]]
        )
    (state,) = family.encode(base, [TEXT])
    sum(one.sum() for one in state.values()).backward()  # type: ignore[union-attr]
    rows = {f"{part}.{_table(base, part)}.rows" for part in family.embeddings}
    assert set(base.learning()) == rows
    found = _weights(base)
    assert {name for name, one in found.items() if one.grad is not None} == rows
    assert all(bool(found[name].grad.abs().sum(1).gt(0).all()) for name in rows)  # type: ignore[union-attr]
    assert all(torch.equal(found[name], one) for name, one in before.items())
    assert base.text_learns()


def test_a_text_s_own_state_is_that_of_its_end(trained: Trained) -> None:
    """Also where an encoder's config says the old end, and it looks for the largest token."""
    base = trained.opened()
    (wanted,) = trained.family.encode(base, [TEXT])
    for encoder in base.encoders.values():
        inner: Any = getattr(encoder, "text_model", encoder)
        inner.eos_token_id = 2
    (found,) = trained.family.encode(base, [TEXT])

    assert all(torch.equal(found[name], one) for name, one in wanted.items())


def _weights(base: Base) -> dict[str, torch.nn.Parameter]:
    return {
        f"{part}.{name}": one
        for part, module in ({"unet": base.network} | dict(base.encoders)).items()
        for name, one in module.named_parameters()
    }


def _table(base: Base, part: str) -> str:
    encoder: Any = base.encoders[part]
    table = encoder.get_input_embeddings()
    return next(name for name, one in encoder.named_modules() if one is table)


def test_it_says_what_it_is(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    """Kohya's fields, modelspec's word, and `train explain`."""
    head = safetensors_file.header(trained.made).metadata
    console = new_console()
    explain(trained.made, console)

    assert {word: head[word] for word in (
        "ss_token_string", "ss_num_vectors_per_token", "ss_init_word", "ss_use_object_template",
        "ss_use_style_template", "ss_unet_lr", "modelspec.trigger_phrase",
    )} == {
        "ss_token_string": "mascot", "ss_num_vectors_per_token": "3", "ss_init_word": "ab",
        "ss_use_object_template": "False", "ss_use_style_template": "False", "ss_unet_lr": "None",
        "modelspec.trigger_phrase": "mascot",
    }  # fmt: skip
    assert head["modelspec.architecture"] == f"{trained.family.architecture}/textual-inversion"
    lines = said(console)[0].splitlines()
    sizes = {"sd15": "32 numbers for `emb_params`",
             "sdxl": "48 numbers for `clip_g` and 32 numbers for `clip_l`"}  # fmt: skip
    assert lines[:3] == [
        f"toy.safetensors: an embedding of 3 vectors, each of {sizes[trained.family.name]}",
        "tensors: as they were written",
        "words that call it: mascot",
    ]
    assert lines[3] == f"base model: base ({trained.family.architecture})"
    assert "`--initial-words` are 2 tokens, and `--vectors` is 3: they are repeated" in trained.told


def test_it_is_drawn(trained: Trained, tmp_path: Path, models: Models) -> None:
    """Its sheet has the base model, which reads the plain word, beside the trained vectors."""
    (drawn,) = (trained.made.parent / "samples").glob("*.png")
    subject = subject_of([str(trained.made)])
    usual = {"width": 64, "height": 64, "steps": 1}
    wish = Wish(
        asked(subject, ["mascot", "a (mascot:0.5)"], None, usual), [1.0], [], each=tmp_path / "each"
    )
    console = new_console()

    assert sheet.sample(subject, wish, tmp_path / "sheet.png", models, console).code == 0
    each = {path.stem: path.read_bytes() for path in (tmp_path / "each").iterdir()}
    assert len(each) == len(set(each.values())) == 4
    from PIL import Image

    alone = Image.open(tmp_path / "each" / "000 strength 1.png")
    assert alone.tobytes() == Image.open(drawn).tobytes()
    assert alone.info["parameters"].splitlines()[0] == "mascot"
    assert said(console)[1] == ""
    wish = replace(wish, prompts=asked(subject, ["mascots"], None, usual), each=None)
    sheet.sample(subject, wish, tmp_path / "sheet.png", models, console)
    assert said(console)[1].splitlines() == [
        "no prompt has `mascot`, which calls `toy.safetensors`: it changes nothing"
    ]


def test_what_does_not_fit_is_refused(
    trained: Trained, tmp_path: Path, base: Path, models: Models
) -> None:
    """Strengths, other kinds of models, vectors of other widths, two with one word, torn files."""
    made, family = trained.made, trained.family
    other = all_families()["sdxl" if family.name == "sd15" else "sd15"]
    tensors = load_file(made)
    wide, torn, copy = (tmp_path / f"{name}.safetensors" for name in ("wide", "torn", "copy"))
    save_file({name: one.repeat(1, 2) for name, one in tensors.items()}, wide)
    save_file({name: one[0] for name, one in tensors.items()}, torn)
    copy.write_bytes(made.read_bytes())
    opened = family.load(trained.base, "cpu")
    subject = subject_of([str(made)])
    strong = Wish(asked(subject, [], None, {}), [0.5], [])
    first = next(iter(family.embeddings.values()))
    width = NAMES[family.name][first]
    foreign = "is an embedding for another kind of model"
    base_hint = "name the base model that it was made for: `--base`"

    for act, told, hint in (
        (lambda: subject_of([f"{made}:0.5"]),
         f"`{made}:0.5` is an embedding, and those have no strength",
         "weigh its word in the prompt: `(mascot:0.5)`"),
        (lambda: sheet.sample(subject, strong, tmp_path / "x.png", models, new_console()),
         "`--strength` is given, and an embedding has no strength",
         "weigh its word in the prompt: `(mascot:0.8)`"),
        (lambda: embedding_file.check_kind(made, other),
         f"`{made}` {foreign}: it has {', '.join(f'`{name}`' for name in sorted(tensors))}",
         base_hint),
        (lambda: file_kinds.put_on([(wide, 1.0)], opened, family, {}),
         f"`{wide}` {foreign}: its vectors have {2 * width} numbers, there are {width}", base_hint),
        (lambda: file_kinds.put_on([(made, 1.0), (copy, 1.0)], opened, family, {}),
         f"`{copy}` is called by `mascot`, and so is another embedding", "draw them one by one"),
        (lambda: subject_of([str(torn)]),
         f"`{torn}` is an embedding whose vectors cannot be used", "fetch the file again"),
    ):  # fmt: skip
        with pytest.raises(UserError) as error:
            act()
        assert (str(error.value), error.value.hint) == (told, hint)


def test_an_export_that_reads_back_otherwise_has_no_name(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors that the encoder would read otherwise are kept under another name."""
    base = trained.opened()
    real = embedding_export.apply

    def torn(path: Path, base: Base, family: Family) -> None:
        real(path, base, family)
        for rows in new_words.rows_of(base).values():
            rows.data += 1

    monkeypatch.setattr(embedding_export, "apply", torn)
    with pytest.raises(ProofError, match="does not do what the trained vectors do"):
        embedding_export.write(
            tmp_path / "a.safetensors", base, trained.family, ("mascot", "fp32", {})
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a-not-proven.safetensors"]


def _settled(meta: Path, **own: Any) -> Any:
    config = config_of("embedding", **own)
    return METHOD.settled(config, datasets.load([meta]))


def test_the_word_is_in_the_texts_or_refused(meta: Path) -> None:
    """The trigger is it by default; texts without it are told; a template takes their place."""
    config, data = _settled(meta)
    assert config.own.token == "mascot"
    assert data.samples == datasets.load([meta]).samples
    config, data = _settled(meta, token="<x>", caption_prefix="<x> of")
    assert data.triggers == ("<x>",)

    with pytest.raises(ConfigError) as error:
        _settled(meta, token="masc")
    assert str(error.value) == "no text has the word `masc`, and so nothing would learn"
    assert error.value.hint == (
        'put it in front of every text: `--caption-prefix "masc"`, or train with sentences in '
        "place of captions: `--template object`"
    )
    for name, count in (("object", 27), ("style", 19)):
        config, data = _settled(meta, token="<x>", template=name)
        texts = {said.text() for one in data.samples.values() for said in one.each}
        assert texts == {one.format("<x>") for one in TEMPLATES[name]}
        assert [len(one.each) for one in data.samples.values()] == [count] * 6
    change(meta, "1.png", tags=("pose",))
    config, data = _settled(meta)
    idle, known = METHOD.notes(config, data, meta)  # a file: CLIP's own words
    assert idle == "1 of 6 samples can be shown without `mascot`, and teach nothing then: `1.png`"
    assert known == (
        "`mascot` is a word of the base model: where texts have it, it means the new vectors now, "
        "and diffusers will load them by another word only"
    )


PARTS = "is given, and `train embedding` trains no parts of the model"


@pytest.mark.parametrize(("given", "told", "hint"), [
    ({"token": "a,b"}, "`--token` is `a,b`",
     "give a word that no caption has otherwise, with none of `, ( ) [ ] { } | \\ :`"),
    ({"initial_words": " "}, "`--initial-words` is empty",
     "give words that the base model knows, as `girl`"),
    ({"text_encoder": True}, f"`--text-encoder` {PARTS}", "leave it out"),
    ({"block_rates": "TE1=1"}, f"`--block-rates` {PARTS}", "leave it out"),
    ({"prior_prediction": 0.5},
     "`--prior-prediction` is given, and texts without the word are answered as ever",
     "leave it out: an embedding changes nothing of them"),
])  # fmt: skip
def test_settings_that_mean_nothing_are_refused(given: Any, told: str, hint: str) -> None:
    """Two lines each, before anything is opened."""
    with pytest.raises(ConfigError) as error:
        config_of("embedding", **given)
    assert (str(error.value), error.value.hint) == (told, hint)


def test_what_is_refused_of_data_and_base_models(
    tmp_path: Path, base: Path, meta: Path, models: Models, narrow_base: Callable[[str], Path]
) -> None:
    """No trigger and no token; a kind of model that embeddings are not trained for."""
    change(meta, concepts={"toy": Concept()})
    with pytest.raises(ConfigError) as error:
        _settled(meta)
    assert (str(error.value), error.value.hint) == (
        "`--token` is not given, and the pictures have no trigger to take for it",
        "name the word that the vectors stand for: `--token mychara`",
    )
    place = all_families()["sd35"].tiny.write(tmp_path / "sd35")
    config = config_of("embedding", base=str(place), out=tmp_path / "runs")
    from train.run import probe
    from train.run.readiness import check_settings

    with pytest.raises(ConfigError) as error:
        check_settings(config, models, probe.here)
    assert (str(error.value), error.value.hint) == (
        "`train embedding` does not train models of the kind `sd35`",
        "name one of the kind sd15 or sd2 or sdxl, or train a LoRA: `train lora`",
    )


def test_words_are_found_whole() -> None:
    """In capitals or not, with any space within, beside marks; never inside a longer word."""
    found = {text: new_words.is_in("my chara", text) for text in (
        "my chara", "a My  Chara, x", "(my chara:1.2)", "my chara's", "my charas", "amy chara",
        "my",
    )}  # fmt: skip
    assert [*found.values()] == [True, True, True, True, False, False, False]
    assert new_words.is_in("<x>", "of<x>y")
    assert new_words.lengthened("a b, ab", [NewWord("b", 2)]) == "a  a a , ab"
