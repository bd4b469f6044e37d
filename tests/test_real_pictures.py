"""The whole job on real pictures: sprites with hand-written sidecars, without them, photographs.

What the stages made of them is compared with a bare script that knows nothing of this project.
"""

import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from prep.cli.app import main

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TINY = Path(__file__).resolve().parents[1] / "tinyworld" / "models"
FLOOR = 0.01
RATINGS = 4

pytestmark = pytest.mark.skipif(
    not (DATA / "renpy-sprites").is_dir(), reason="the pictures of ../shared are not here"
)

PIPELINE = """\
pipelines:
  {name}:
    images: ./{name}
    meta: ./{name}.json
    stages:
      - caption: {{model: tiny}}
      - tag: {{model: tiny}}
      - duplicates
      - edit
      - bucket: {{resolution: {resolution}, step: 64}}
      - latents: {{model: tiny}}
"""
TRAIN = """\
    train: {method: lora, base: tiny, steps: 20, rank: 4, learning_rate: 0.01, out: ./runs}
"""


class Ran(NamedTuple):
    """A folder after `prep run`: exit code, what was said, and the last dataset file."""

    folder: Path
    code: int
    said: str
    meta: dict[str, Any]

    @property
    def samples(self) -> dict[str, Any]:
        """Key -> sample of the last dataset file."""
        found: dict[str, Any] = self.meta["samples"]
        return found


def run(folder: Path) -> Ran:
    """Run the folder's pipelines.yaml and return how it ended."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as ended:
        main(["run", "--pipelines", str(folder / "pipelines.yaml")])
    (found,) = folder.glob("*_lat.json")
    return Ran(folder, ended.value.code or 0, said.getvalue(), json.loads(found.read_text()))


def begun(folder: Path, source: str, resolution: int, *, train: bool) -> Path:
    """Copy real pictures into a folder with a pipelines.yaml for them."""
    name = source.partition("-")[0]
    shutil.copytree(DATA / source, folder / name)
    text = PIPELINE.format(name=name, resolution=resolution) + TRAIN * train
    (folder / "pipelines.yaml").write_text(text)
    return folder / name


def seen(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time and bytes of every file outside prep's own folder."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".prep" not in path.parts
    }


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A user of its own; one thread, as two that wait for each other are slow on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        patched.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def sprites(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The sprites with their sidecars, at 256 px without a crop."""
    folder = tmp_path_factory.mktemp("sprites")
    begun(folder, "renpy-sprites", 256, train=False)
    return run(folder)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The sprites without sidecars, and a photograph that only its EXIF data sets upright."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("bare")
    pictures = begun(folder, "renpy-sprites", 256, train=False)
    for path in [*pictures.glob("*.txt"), *pictures.glob("*.caption")]:
        path.unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(pictures / "bg uni.jpg") as image:
        image.save(pictures / "turned.jpg", exif=exif)
    return run(folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Twenty photographs in four sub-folders, at 128 px, and a LoRA of them."""
    folder = tmp_path_factory.mktemp("photos")
    begun(folder, "photos", 128, train=True)
    return run(folder)


def test_fifteen_of_fifteen_sprites(sprites: Ran) -> None:
    """Transparent sprites of several shapes all get a bucket and latents, uncut, in 3 buckets."""
    assert sprites.code == 0, sprites.said
    assert "  15 pictures: 15 good, 0 left out, 0 failed\n" in sprites.said
    assert sprites.meta["counts"] == {"samples": 15, "left_out": 0}
    assert set(sprites.samples) == {
        path.name for path in (DATA / "renpy-sprites").iterdir() if path.suffix in (".png", ".jpg")
    }
    buckets = {tuple(sample["bucket"]) for sample in sprites.samples.values()}
    assert len(buckets) >= 3
    assert all(side % 64 == 0 for bucket in buckets for side in bucket)
    assert all(width * height <= 256 * 256 for width, height in buckets)


def test_hand_written_sidecars_are_unchanged_and_used(sprites: Ran) -> None:
    """Every word of a sidecar trains as it was written, and its file is as it was."""
    for key, sample in sprites.samples.items():
        words = DATA / "renpy-sprites" / Path(key).with_suffix(".txt")
        sentence = words.with_suffix(".caption")
        for path in (words, sentence):
            assert (sprites.folder / "renpy" / path.name).read_bytes() == path.read_bytes()
        tags = [tag.strip() for tag in words.read_text().split(",")]
        assert sample["tags"] == [tag.replace("\\(", "(").replace("\\)", ")") for tag in tags]
        assert sample["caption"] == sentence.read_text().strip()


def test_other_files_beside_the_pictures_are_named_once(sprites: Ran) -> None:
    """A licence, notes and a JSON file are no samples and not touched; each is named or counted."""
    others = ("LICENSE-renpy-excerpt.txt", "SOURCE.md", "expected_faces.json")
    for name in others:
        original = (DATA / "renpy-sprites" / name).read_bytes()
        assert (sprites.folder / "renpy" / name).read_bytes() == original
    assert "belongs to no picture: LICENSE-renpy-excerpt.txt\n" in sprites.said
    assert "2 other files are not pictures that can be read: 1 .json, 1 .md\n" in sprites.said
    added = {path.name for path in (sprites.folder / "renpy").iterdir()} - {
        path.name for path in (DATA / "renpy-sprites").iterdir()
    }
    assert added == {".prep", "tags.csv"}


def test_twenty_of_twenty_photos(photos: Ran) -> None:
    """Sub-folders are concepts; every photograph is in the dataset, tagged and captioned."""
    assert photos.code == 0, photos.said
    assert "  20 pictures: 20 good, 0 left out, 0 failed\n" in photos.said
    concepts = [sample["concept"] for sample in photos.samples.values()]
    counted = {name: concepts.count(name) for name in set(concepts)}
    assert counted == {"backpack_dog": 5, "dog3": 6, "duck_toy": 4, "monster_toy": 5}
    for key in photos.samples:
        for suffix in (".txt", ".caption"):
            assert (photos.folder / "photos" / Path(key).with_suffix(suffix)).is_file()


def test_a_second_run_changes_no_file(photos: Ran) -> None:
    """Run again, the real thing does nothing, training included, and says so."""
    before = seen(photos.folder)

    again = run(photos.folder)

    assert again.code == 0
    assert again.said.endswith(
        "/photos` is up to date: nothing to do\n"
        "  1 other file is not a picture that can be read: 1 .md\n"
        "  20 pictures: 20 good, 0 left out, 0 failed\n"
    )
    assert seen(photos.folder) == before


def upright(path: Path) -> Any:
    """Return a picture as the bare script sees it: turned by EXIF, transparency on white, RGB."""
    from PIL import Image, ImageOps

    with Image.open(path) as found:
        image = ImageOps.exif_transpose(found).convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def scores_of(state: Path) -> dict[str, bytes]:
    """Return key -> what the ledger keeps of the tagger's answer."""
    with closing(sqlite3.connect(f"file:{state}/ledger.sqlite?mode=ro", uri=True)) as ledger:
        return dict(
            ledger.execute(
                "select key, body from results join bodies using (digest) where stage = 'score'"
            )
        )


def test_scores_equal_those_of_a_bare_script(bare: Ran) -> None:
    """Scores are onnxruntime's, as the tagger's author feeds it, to the last bit that is kept."""
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(
        TINY / "tagger" / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    (tensor,) = session.get_inputs()
    side = tensor.shape[1]
    keys = sorted(bare.samples)
    pixels = []
    for key in keys:
        image = upright(bare.folder / "renpy" / key)
        most = max(image.size)
        canvas = Image.new("RGB", (most, most), (255, 255, 255))
        canvas.paste(image, ((most - image.width) // 2, (most - image.height) // 2))
        small = canvas.resize((side, side), Image.Resampling.BICUBIC)
        pixels.append(np.asarray(small, dtype=np.float32)[:, :, ::-1])
    kept_scores = scores_of(bare.folder / "renpy" / ".prep")

    assert len(keys) == 16
    for start in range(0, 16, 4):
        (answers,) = session.run(None, {tensor.name: np.stack(pixels[start : start + 4])})
        for key, answer in zip(keys[start : start + 4], answers, strict=True):
            kept = [i for i, p in enumerate(answer) if i < RATINGS or p >= FLOOR]
            body = kept_scores[key]
            assert list(np.frombuffer(body, "<u4", len(kept))) == kept
            scores = np.frombuffer(body, "<f2", offset=4 * len(kept))
            assert np.array_equal(scores, answer[kept].astype("<f2")), key


def test_captions_equal_those_of_a_bare_script(bare: Ran) -> None:
    """Captions are the words that transformers gives for the same picture, cleaned up."""
    import torch
    from transformers import BlipForConditionalGeneration, BlipProcessor

    from tagger_models.captioners.captioner import Reply
    from tagger_models.captioners.cleanup import cleaned

    place: Any = TINY / "captioner"
    model: Any = BlipForConditionalGeneration.from_pretrained(place)
    processor: Any = BlipProcessor.from_pretrained(place)
    model.eval()
    said = set()
    for key, sample in bare.samples.items():
        inputs = processor(images=upright(bare.folder / "renpy" / key), return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(**inputs, num_beams=3, max_new_tokens=75)
        words = cleaned(Reply(processor.decode(tokens[0], skip_special_tokens=True)))
        assert sample["caption"] == words, key
        sidecar = (bare.folder / "renpy" / key).with_suffix(".caption")
        assert sidecar.read_text().strip() == words
        said.add(words)
    assert len(said) > 1


def test_latents_equal_those_of_a_bare_script(bare: Ran) -> None:
    """Latents are the mean and log-variance that diffusers gives, bit for bit, unscaled."""
    import torch
    from diffusers import AutoencoderKL
    from diffusers.image_processor import VaeImageProcessor
    from PIL import Image
    from safetensors.torch import load_file

    kind: Any = AutoencoderKL
    vae = kind.from_pretrained(TINY / "base" / "vae")
    processor = VaeImageProcessor(vae_scale_factor=8)
    for key, sample in bare.samples.items():
        image = upright(bare.folder / "renpy" / key)
        assert list(image.size) == sample["original_size"]
        whole = image.resize(tuple(sample["size"]), Image.Resampling.LANCZOS)
        cut = whole.crop(tuple(sample["crop"]))
        assert list(cut.size) == sample["bucket"]
        with torch.inference_mode():
            wanted = vae.encode(processor.preprocess(cut)).latent_dist
        found = load_file(bare.folder / "renpy" / ".prep" / sample["latents"])
        assert torch.equal(found["mean"], wanted.mean[0]), key
        assert torch.equal(found["logvar"], wanted.logvar[0]), key


def test_a_turned_photo_is_seen_upright(bare: Ran) -> None:
    """A picture that lies on its side in the file trains as a person sees it."""
    assert bare.samples["bg uni.jpg"]["original_size"] == [1280, 720]
    assert bare.samples["turned.jpg"]["original_size"] == [720, 1280]


def test_diffusers_loads_the_lora(photos: Ran) -> None:
    """After 20 steps the pipeline holds every tensor of the file, and draws another picture."""
    import torch
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import load_file

    (export,) = (photos.folder / "runs").glob("*/*.safetensors")
    assert len((export.parent / "metrics.jsonl").read_text().splitlines()) == 20
    pipeline = StableDiffusionPipeline.from_pretrained(TINY / "base", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)

    def picture() -> Any:
        given = {"width": 64, "height": 64, "num_inference_steps": 2, "output_type": "np"}
        generator = torch.Generator().manual_seed(0)
        return pipeline("a picture", generator=generator, **given).images

    before = picture()
    pipeline.load_lora_weights(str(export))

    saved = load_file(export)
    loaded = {at: value for at, value in pipeline.unet.named_parameters() if ".lora_" in at}
    assert len(loaded) == len([at for at in saved if not at.endswith(".alpha")]) == 2 * 120
    for at, value in loaded.items():
        module, word = at.removesuffix(".default_0.weight").rsplit(".", 1)
        end = {"lora_A": "lora_down", "lora_B": "lora_up"}[word]
        assert torch.equal(value, saved[f"lora_unet_{module.replace('.', '_')}.{end}.weight"])
    assert abs(picture() - before).max() > 1e-3
