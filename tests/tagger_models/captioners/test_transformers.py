import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep.images.fitting import SHORTER, Resize, fitted
from prep.models.locate import Models
from prep.runtime.errors import ModelFileError
from tagger_models.captioners.captioner import Decoding, Reply, Trouble
from tagger_models.captioners.captioner_fit import fit_of
from tagger_models.captioners.local import ask_captioner, open_captioner
from tagger_models.captioners.transformers import LocalCaptioner
from tests.tagger_models import captioner_models as small

MOST = 9
GREEDY = Decoding(beams=2, max_new_tokens=MOST)
SAVERS: dict[str, Callable[[Path], Path]] = {
    "git": small.save_git,
    "blip-2": small.save_blip2,
    "florence2": small.save_florence2,
    "llava": small.save_llava,
}
PROMPTS = {"git": "a red", "blip-2": "a red", "florence2": "<CAPTION>", "llava": "what is this ?"}
each_family = pytest.mark.parametrize("kind", SAVERS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder of each kind of captioner."""
    top = tmp_path_factory.mktemp("captioners")
    return {kind: save(top / kind) for kind, save in SAVERS.items()}


@pytest.fixture(scope="module")
def captioners(folders: dict[str, Path]) -> dict[str, LocalCaptioner]:
    """Return each of them, opened as a person's folder is."""
    return {kind: opened(folder) for kind, folder in folders.items()}


@pytest.fixture
def noise() -> list[Image.Image]:
    """Return four pictures of noise."""
    random = np.random.default_rng(3)
    return [Image.fromarray(random.integers(0, 256, (40, 30, 3), dtype=np.uint8)) for _ in range(4)]


def opened(folder: Path) -> LocalCaptioner:
    return open_captioner(Models(folder.parent).find(ask_captioner(str(folder))), device="cpu")


@pytest.mark.parametrize("kind", [*SAVERS, "blip"])
@pytest.mark.parametrize("size", [(40, 30), (301, 77), (32, 32), (9, 400), (1000, 701)])
def test_a_picture_that_was_made_smaller_before_is_the_same(
    folders: dict[str, Path], kind: str, size: tuple[int, int]
) -> None:
    """Case D3: what the decoder does of a processor's work gives the very same numbers."""
    from transformers import AutoProcessor

    folder = folders.get(kind) or Path(str(files("tinyworld") / "models" / "captioner"))
    untyped: Any = AutoProcessor
    processor = untyped.from_pretrained(folder, local_files_only=True)
    fit = fit_of(processor)
    random = np.random.default_rng(size[0])
    image = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))

    whole = processor.image_processor([image], return_tensors="np")["pixel_values"]
    small = processor.image_processor([fitted(image, fit)], return_tensors="np")["pixel_values"]

    assert len(fit) == 1
    assert np.array_equal(whole, small)


@pytest.mark.parametrize("size", [(40, 30), (301, 77), (24, 24), (9, 400), (701, 1000), (5, 900)])
def test_a_processor_that_asks_for_a_shorter_side(size: tuple[int, int]) -> None:
    """Case D3: also one that keeps the aspect and cuts the middle gets the very same numbers."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    untyped: Any = CLIPImageProcessorPil
    processor = untyped(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    fit = fit_of(SimpleNamespace(image_processor=processor))
    random = np.random.default_rng(size[0])
    image = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))

    whole = processor([image], return_tensors="np")["pixel_values"]
    small = processor([fitted(image, fit)], return_tensors="np")["pixel_values"]

    assert fit == (Resize(SHORTER, "BICUBIC", size=24),)
    assert np.array_equal(whole, small)


def test_a_processor_that_is_not_known_gets_the_whole_picture(folders: dict[str, Path]) -> None:
    """Case D3: a processor with a resize of its own, or with none, is given every pixel."""
    from transformers import AutoProcessor

    untyped: Any = AutoProcessor
    processor = untyped.from_pretrained(folders["git"], local_files_only=True)
    assert fit_of(processor)
    processor.image_processor.do_resize = False
    assert fit_of(processor) == ()

    class Tiled(type(processor.image_processor)):  # type: ignore[misc]
        def resize(self, *given: Any, **more: Any) -> Any:
            return super().resize(*given, **more)

    processor.image_processor.do_resize = True
    processor.image_processor.__class__ = Tiled
    assert fit_of(processor) == ()


def said(
    captioner: LocalCaptioner, images: list[Image.Image], prompt: str, how: Decoding = GREEDY
) -> list[str]:
    found = captioner.caption(images, [prompt] * len(images), [7] * len(images), how)
    return [one.text for one in found if isinstance(one, Reply)]


def bare(kind: str, folder: Path, image: Image.Image, prompt: str) -> str:
    """Return a caption as the family's own documentation writes the script."""
    import torch
    import transformers

    name = {
        "git": "GitForCausalLM",
        "blip-2": "Blip2ForConditionalGeneration",
        "florence2": "Florence2ForConditionalGeneration",
        "llava": "LlavaForConditionalGeneration",
    }[kind]
    model: Any = getattr(transformers, name).from_pretrained(folder).eval()
    processor: Any = transformers.AutoProcessor.from_pretrained(folder)
    words = processor.tokenizer
    skipped = 0
    if kind == "git":
        inputs = processor(images=image, return_tensors="pt")
        if prompt:
            tokens = words(prompt, add_special_tokens=False)["input_ids"]
            inputs["input_ids"] = torch.tensor([[words.cls_token_id, *tokens]])
    elif kind == "blip-2":
        inputs = processor(images=image, text=prompt or None, return_tensors="pt")
    elif kind == "florence2":
        task = prompt or "<DETAILED_CAPTION>"
        inputs = processor(text=task, images=image, return_tensors="pt")
    else:
        question = prompt or (
            "Describe this image in one sentence. Answer with the description only."
        )
        content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        skipped = inputs["input_ids"].shape[1]
    with torch.no_grad():
        tokens = model.generate(**inputs, num_beams=2, max_new_tokens=MOST, do_sample=False)[0]
    text: str = words.decode(tokens[skipped:], skip_special_tokens=True)
    return text.strip()


@each_family
def test_captions_are_those_of_a_bare_script(
    kind: str,
    folders: dict[str, Path],
    captioners: dict[str, LocalCaptioner],
    noise: list[Image.Image],
) -> None:
    """With and without a prompt, words are those that the family's own script gives each picture.

    Pictures of one size, asked together, keep their own words.
    """
    pictures = noise[:2]
    for prompt in ("", PROMPTS[kind]):
        expected = [bare(kind, folders[kind], image, prompt) for image in pictures]
        assert said(captioners[kind], pictures, prompt) == expected


def test_the_picture_decides(
    captioners: dict[str, LocalCaptioner], noise: list[Image.Image]
) -> None:
    """Every kind of captioner says something, and not the same of four pictures."""
    for kind, captioner in captioners.items():
        found = said(captioner, noise, PROMPTS[kind])
        assert any(found), kind
        assert len(set(found)) > 1, kind


@each_family
def test_words_drawn_by_chance_depend_on_the_seed_alone(
    kind: str, captioners: dict[str, LocalCaptioner], noise: list[Image.Image]
) -> None:
    """A picture's seed decides its words: not its neighbours, their order, or what torch drew."""
    import torch

    captioner, prompt = captioners[kind], PROMPTS[kind]
    drawn = Decoding(max_new_tokens=MOST, temperature=1.0)
    together = captioner.caption(noise, [prompt] * 4, [1, 2, 3, 4], drawn)
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    back = captioner.caption(noise[::-1], [prompt] * 4, [4, 3, 2, 1], drawn)
    other = captioner.caption(noise, [prompt] * 4, [5, 6, 7, 8], drawn)

    assert back[::-1] == together
    assert other != together
    assert torch.equal(torch.random.get_rng_state(), before)


@each_family
def test_forbidden_words_are_never_said(
    kind: str, captioners: dict[str, LocalCaptioner], noise: list[Image.Image]
) -> None:
    """The model is kept from the words, where it would have said them."""
    captioner, prompt = captioners[kind], PROMPTS[kind]
    usual = {word for text in said(captioner, noise, prompt) for word in text.split()}
    usual -= set(prompt.split())
    word = sorted(usual)[0]

    found = said(captioner, noise, prompt, Decoding(2, MOST, forbid=(word,)))

    assert word not in {word for text in found for word in text.split()}
    assert any(found)


@each_family
def test_pictures_may_have_prompts_of_their_own(
    kind: str, captioners: dict[str, LocalCaptioner], noise: list[Image.Image]
) -> None:
    """With a prompt each, pictures get what they would get alone."""
    captioner, alone = captioners[kind], Decoding(2, MOST, alone=True)
    prompts = [PROMPTS[kind], "", PROMPTS[kind], ""]

    found = captioner.caption(noise, prompts, [0] * 4, alone)

    each = [
        captioner.caption([image], [prompt], [0], alone)[0]
        for image, prompt in zip(noise, prompts, strict=True)
    ]
    assert found == each


def test_the_last_picture_of_a_filled_up_batch_is_asked_once(
    captioners: dict[str, LocalCaptioner],
    noise: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch that repeats its last picture costs one answer a picture."""
    captioner, calls = captioners["llava"], []
    whole = LocalCaptioner._answers

    def counted(self: LocalCaptioner, images: Any, prompt: str, how: Decoding) -> list[Reply]:
        calls.append(images)
        return whole(self, images, prompt, how)

    monkeypatch.setattr(LocalCaptioner, "_answers", counted)
    batch = [noise[0], noise[1], noise[1], noise[1]]

    found = captioner.caption(batch, [""] * 4, [0] * 4, GREEDY)

    assert len(calls) == 2
    assert found[1] == found[2] == found[3]


def test_an_old_blip2_folder_sees_its_pictures(
    folders: dict[str, Path],
    captioners: dict[str, LocalCaptioner],
    tmp_path: Path,
    noise: list[Image.Image],
) -> None:
    """A folder that does not say how many places a picture takes gives the same captions."""
    folder = small.save_blip2(tmp_path / "old")
    file = folder / "processor_config.json"
    settings = json.loads(file.read_text())
    assert settings.pop("num_query_tokens") == 4
    file.write_text(json.dumps(settings))

    assert said(opened(folder), noise, "a red") == said(captioners["blip-2"], noise, "a red")


def test_a_template_that_takes_the_question_as_text(
    captioners: dict[str, LocalCaptioner], tmp_path: Path, noise: list[Image.Image]
) -> None:
    """Where the template puts the picture itself, the conversation is the same."""
    folder = small.save_llava(tmp_path / "plain", small.PLAIN_CHAT)

    assert said(opened(folder), noise[:2], "what is this ?") == said(
        captioners["llava"], noise[:2], "what is this ?"
    )


def test_a_conversation_begins_once(
    captioners: dict[str, LocalCaptioner], tmp_path: Path, noise: list[Image.Image]
) -> None:
    """The first token is written by the template or by the tokenizer, never by both."""
    without = small.CHAT.removeprefix("{{ bos_token }}")
    folder = small.save_llava(tmp_path / "without", without)

    assert said(opened(folder), noise[:2], "a cat ?") == said(
        captioners["llava"], noise[:2], "a cat ?"
    )


def test_a_template_without_a_place_for_a_picture(tmp_path: Path, noise: list[Image.Image]) -> None:
    """A conversation in which the picture would be left out is not held."""
    folder = small.save_llava(tmp_path / "blind", "{{ messages[0]['role'] }} : {{ 'what' }}")

    with pytest.raises(ModelFileError) as told:
        said(opened(folder), noise[:1], "what")

    assert (str(told.value), told.value.hint) == (
        "the model's chat template takes no picture with a question",
        "serve it with vLLM, LM Studio or ollama, and name that server: `--url`",
    )


def test_a_model_without_a_template_cannot_be_asked(tmp_path: Path) -> None:
    """What cannot be asked is told at once, with what to do."""
    folder = small.save_llava(tmp_path / "mute", None)

    with pytest.raises(ModelFileError) as told:
        opened(folder)

    assert (str(told.value), told.value.hint) == (
        f"`{folder}` has no chat template: it cannot be asked",
        "serve it with vLLM, LM Studio or ollama, and name that server: `--url`",
    )


def test_a_processor_that_wants_more_packages(tmp_path: Path) -> None:
    """Qwen-VL's processor needs torchvision, which is not installed with us: two lines say so."""
    try:
        import torchvision  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("torchvision is installed here")
    folder = small.save_qwen(tmp_path / "qwen")

    with pytest.raises(ModelFileError) as told:
        opened(folder)

    assert str(told.value).startswith("a `qwen2_5_vl` model needs a package that is not installed")
    assert (
        told.value.hint == "serve it with vLLM, LM Studio or ollama, and name that server: `--url`"
    )


def test_a_task_with_words_is_a_mistake_of_the_prompt(
    captioners: dict[str, LocalCaptioner], noise: list[Image.Image]
) -> None:
    """Florence-2 takes a task alone; what is wrong is said for the picture."""
    with pytest.raises(ValueError, match="Task token <CAPTION> should be the only content"):
        said(captioners["florence2"], noise[:1], "<CAPTION> of a cat")


def test_a_prompt_as_long_as_the_model(
    captioners: dict[str, LocalCaptioner], noise: list[Image.Image]
) -> None:
    """A prompt that leaves no room for an answer is told with its length, and what to do."""
    found = captioners["git"].caption(noise[:2], ["red " * 80] * 2, [7, 7], GREEDY)

    hint = "a shorter `--prompt`, or another model"
    assert found == [
        Trouble("its prompt of 81 tokens leaves no room for an answer", hint),
    ] * len(noise[:2])
