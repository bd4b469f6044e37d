import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prep.models.locate import Ask, Models
from prep.runtime.errors import ConfigError, ModelFileError
from tagger_models.captioners.captioner import Decoding, End, Reply
from tagger_models.captioners.local import ask_captioner, open_captioner
from tagger_models.captioners.transformers import LocalCaptioner


def opened(folder: Path, home: Path, preset: str = "") -> LocalCaptioner:
    """Return the captioner that a person gets who names the folder."""
    return open_captioner(Models(home).find(ask_captioner(str(folder))), preset, device="cpu")


def said(
    captioner: LocalCaptioner,
    images: list[Image.Image],
    beams: int = 3,
    most: int = 75,
    prompt: str = "",
) -> list[str]:
    """Return the words of a captioner for pictures with one prompt, without chance."""
    count = len(images)
    found = captioner.caption(images, [prompt] * count, [0] * count, Decoding(beams, most))
    assert all(isinstance(one, Reply) for one in found)
    return [one.text for one in found if isinstance(one, Reply)]


def told(folder: Path, home: Path) -> tuple[str, str | None]:
    with pytest.raises(ModelFileError) as raised:
        opened(folder, home)
    return str(raised.value), raised.value.hint


@pytest.fixture
def mine(saved_blip: Path, tmp_path: Path) -> Path:
    """Return a copy of the saved folder that a test may damage."""
    return Path(shutil.copytree(saved_blip, tmp_path / "mine"))


def bare(folder: Path, images: list[Image.Image], **how: int) -> list[str]:
    """Return captions by transformers alone, each mark of BLIP cut out of the tokens."""
    import torch
    from transformers import AutoTokenizer, BlipForConditionalGeneration, BlipTextConfig

    model = BlipForConditionalGeneration.from_pretrained(folder).eval()
    assert isinstance(model.config.text_config, BlipTextConfig)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    answers = []
    for image in images:
        small = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
        pixels = ((small / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]
        with torch.no_grad():
            tokens = model.generate(torch.from_numpy(pixels), do_sample=False, **how)[0]
        words = tokenizer.convert_ids_to_tokens(tokens)
        plain = [word for word in words if not word.startswith("[")]
        answers.append(" ".join(plain).replace(" ##", ""))
    return answers


def test_captions_are_those_of_transformers(
    saved_blip: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    """The captions equal a bare script's: pixels by Pillow, three beams, special tokens gone."""
    how = {"num_beams": 3, "max_new_tokens": 12}
    expected = bare(saved_blip, pictures, **how)

    found = said(opened(saved_blip, tmp_path), pictures, 3, 12)

    assert found == expected
    assert len(set(found)) > 1


def test_the_hubs_layout_and_the_saved_one_say_the_same(
    saved_blip: Path, hub_blip: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    """`preprocessor_config.json` with `vocab.txt` is the model that save_pretrained wrote."""
    saved, hub = opened(saved_blip, tmp_path), opened(hub_blip, tmp_path)

    for prompt in ("", "a picture of"):
        assert said(hub, pictures, 3, 12, prompt) == said(saved, pictures, 3, 12, prompt)


def test_the_same_call_gives_the_same_words(
    saved_blip: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    """Opened twice, in another order, and with torch's seed moved, a picture keeps its caption."""
    import torch

    first = said(opened(saved_blip, tmp_path), pictures)
    torch.manual_seed(1234)
    second = said(opened(saved_blip, tmp_path), pictures[::-1])

    assert second[::-1] == first


def test_no_marks_are_left(saved_blip: Path, tmp_path: Path, pictures: list[Image.Image]) -> None:
    """Neither special tokens nor BLIP's own marks nor space at the ends come through."""
    for caption in said(opened(saved_blip, tmp_path), pictures, 1, 40):
        assert "[" not in caption
        assert caption == caption.strip()
        assert caption


def test_a_prompt_begins_each_caption(
    saved_blip: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    """The prompt is the beginning of every caption and part of it."""
    found = said(opened(saved_blip, tmp_path), pictures, 3, 8, "a picture of the red cat")

    assert [caption[:24] for caption in found] == ["a picture of the red cat"] * 5


def test_length_is_cut_where_asked(
    saved_blip: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    """The longest caption grows with the limit on its tokens, past the library's own 20."""
    captioner = opened(saved_blip, tmp_path)

    longest = [max(len(c.split()) for c in said(captioner, pictures, 1, n)) for n in (3, 60)]

    assert longest[0] <= 3
    assert longest[1] > 20


def test_no_pictures_no_captions(saved_blip: Path, tmp_path: Path) -> None:
    """An empty batch has no captions."""
    assert said(opened(saved_blip, tmp_path), []) == []


def test_nothing_is_written_on_the_terminal(
    hub_blip: Path, tmp_path: Path, pictures: list[Image.Image], capfd: pytest.CaptureFixture[str]
) -> None:
    """Opening and captioning print nothing: no bars, no advice for programmers."""
    said(opened(hub_blip, tmp_path), pictures)

    assert capfd.readouterr() == ("", "")


def test_pickled_weights_are_read_without_running_them(
    saved_blip: Path, mine: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    """Row 50: an old folder with only a `.bin` gives the same captions as its safetensors."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(mine / "model.safetensors"), mine / "pytorch_model.bin")
    (mine / "model.safetensors").unlink()

    found = said(opened(mine, tmp_path), pictures, 3, 12)

    assert found == said(opened(saved_blip, tmp_path), pictures, 3, 12)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self.path,))  # type: ignore[return-value]


def test_a_hostile_pickle_runs_nothing(mine: Path, tmp_path: Path) -> None:
    """Row 50: a `.bin` that would run code on loading is refused, and its code never ran."""
    import torch

    torch.save({"weight": Bomb(tmp_path / "ran")}, mine / "pytorch_model.bin")
    (mine / "model.safetensors").unlink()

    message, hint = told(mine, tmp_path / "home")

    assert message == (
        f"the weights in `{mine}` are a pickle that is damaged or holds more than weights; "
        "it is not opened"
    )
    assert hint == "use a version of the model that is published as safetensors"
    assert not (tmp_path / "ran").exists()


def test_remote_code_is_never_loaded(mine: Path, tmp_path: Path) -> None:
    """A folder that brings its own classes is opened with ours; its Python is not imported."""
    config = json.loads((mine / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {
        "AutoModel": "ran_by_itself.Model",
        "AutoProcessor": "ran_by_itself.Model",
    }
    (mine / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (mine / "ran_by_itself.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8"
    )

    opened(mine, tmp_path)

    assert not (tmp_path / "ran").exists()
    assert not [name for name in sys.modules if "ran_by_itself" in name]


def test_weights_that_lack_a_layer_are_refused(mine: Path, tmp_path: Path) -> None:
    """A file without some weights is not silently filled up with random ones."""
    from safetensors.torch import load_file, save_file

    weights = load_file(mine / "model.safetensors")
    lost = "vision_model.post_layernorm.weight"
    del weights[lost]
    save_file(weights, mine / "model.safetensors", metadata={"format": "pt"})

    assert told(mine, tmp_path) == (
        f"`{mine}` is not complete: its weights lack {lost}",
        "fetch the weights again from where the model came from",
    )


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file(mine: Path, tmp_path: Path, lost: str) -> None:
    """A folder that was copied in part is told what it lacks."""
    (mine / lost).unlink()

    message, hint = told(mine, tmp_path)

    wanted = lost.replace("model.", "model*.")
    assert message == f"the captioner `{mine}` is not complete: it lacks {wanted}"
    assert hint == f"put the missing files into `{mine}`"


@pytest.mark.parametrize(
    ("lost", "either"),
    [
        ("tokenizer.json", "tokenizer.json nor vocab.txt nor vocab.json"),
        ("processor_config.json", "preprocessor_config.json nor processor_config.json"),
    ],
)
def test_a_folder_without_its_processor(mine: Path, tmp_path: Path, lost: str, either: str) -> None:
    """Without its tokenizer or image settings a folder is refused, not filled with defaults."""
    (mine / lost).unlink()

    assert told(mine, tmp_path) == (
        f"`{mine}` is not complete: it has neither {either}",
        f"put one of them into `{mine}`, from where the model came from",
    )


def test_a_model_that_says_nothing_of_pictures(mine: Path, tmp_path: Path) -> None:
    """A folder of an architecture that is no captioner is named as what it is."""
    (mine / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")

    message, hint = told(mine, tmp_path)

    assert message == f"`{mine}` is a `bert` model, not an image-text model of transformers"
    assert hint == (
        "name a captioner such as `Salesforce/blip-image-captioning-large`; if it is one with code "
        "of its own, serve it with vLLM, LM Studio or ollama, and name that server: `--url`"
    )


def test_weights_of_another_kind(mine: Path, tmp_path: Path) -> None:
    """A folder whose config.json is another model's is not opened."""
    (mine / "config.json").write_text('{"model_type": "git"}', encoding="utf-8")

    message, _ = told(mine, tmp_path)

    assert message.startswith((f"`{mine}` cannot be opened as a `git` model: ", f"`{mine}` is not"))


def test_a_preset_is_for_models_that_can_be_asked(saved_blip: Path, tmp_path: Path) -> None:
    """BLIP goes on with words and answers no question: a preset for it is told as a mistake."""
    with pytest.raises(ConfigError) as raised:
        opened(saved_blip, tmp_path, preset="detailed")

    assert (str(raised.value), raised.value.hint) == (
        "a `blip` model cannot be asked what preset `detailed` asks",
        "leave the preset out; `--prompt` gives it words to continue",
    )


def test_an_answer_says_how_it_ended(
    saved_blip: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    """Cut is what has all the tokens that were allowed; what ends by itself is done."""
    import torch

    captioner = opened(saved_blip, tmp_path)
    cut = captioner.caption(pictures, [""] * 5, [0] * 5, Decoding(1, 5))
    with torch.no_grad():
        captioner._model.text_decoder.cls.predictions.bias[3] += 100  # [SEP] at once
    done = captioner.caption(pictures, [""] * 5, [0] * 5, Decoding(1, 5))

    assert {answer.end for answer in cut if isinstance(answer, Reply)} == {End.CUT}
    assert done == [Reply("", End.DONE)] * 5


def test_what_is_asked_of_the_models_room(mine: Path) -> None:
    """Safetensors are asked for by default; a pickle only where a folder has nothing else."""
    found = ask_captioner()
    assert (found.kind, found.name) == ("captioner", "Salesforce/blip-image-captioning-large")
    assert found.needs == ("config.json", "model*.safetensors")
    assert not [pattern for pattern in found.patterns if "bin" in pattern]

    (mine / "pytorch_model.bin").write_bytes(b"")
    assert ask_captioner(str(mine)).needs == ("config.json", "model*.safetensors")
    (mine / "model.safetensors").unlink()
    assert ask_captioner(str(mine)).needs == ("config.json", "pytorch_model*.bin")
    assert isinstance(ask_captioner("tiny"), Ask)
