"""`train report`: what a run did, told by its folder alone, while it trains and afterwards."""

import json
import re
import shutil
import time
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UserError
from tests.train.conftest import build_dataset, change
from tests.train.runs import lora, new_console, said, settings
from train.methods import config_of
from train.report.loss_section import running_mean
from train.report.machine_section import paces
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles, run_files
from train.report.run_report_file import WrittenReport, write_report
from train.run import start

HOSTILE = "<b>bold</b> </script> \"quote\" &amp; 'x'"
SECTIONS = [
    "Warnings", "Loss", "Samples", "Pictures", "Texts that are cut", "Speed and memory", "Buckets",
    "Settings", "Certificate",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """A run of everything that a report tells; one of its texts is long, and one is hostile."""
    top = tmp_path_factory.mktemp("report")
    meta, prompts = build_dataset(top / "data", base), top / "p.txt"
    change(meta, "0.png", tags=(HOSTILE, "mascot"))
    change(meta, "1.png", tags=("mascot", "x" * 90))
    for number in range(6):
        Image.new("RGB", (64, 64), (number * 40, 0, 0)).save(top / f"data/images/{number}.png")
    prompts.write_text("mascot --s 1 --d 1\n<i>pose</i> 1 --s 1 --d 2\n")
    return lora(
        meta, top / "runs", Models(top / "home", offline=True), new_console(), name="toy",
        steps=40, save_every_steps=20, watch=4, held_out=1, prompts=prompts, max_tokens=75,
    ).parent  # fmt: skip


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _written(folder: Path) -> str:
    return write_report(folder, ReportPictures()).read_text(encoding="utf-8")


def _sections(page: str) -> list[str]:
    return re.findall(r"<h2 id=[^>]*>([^<]*)</h2>", page)


def test_a_report_tells_all_of_a_run(run: Path) -> None:
    """Every section is there with the run's own numbers, and every picture is within the file."""
    page = _written(run)

    assert _sections(page) == SECTIONS
    text = unescape(re.sub(r"<[^>]*>", "|", page))
    assert "step 40 of 40, 5 pictures" in text
    assert "mean of 8 steps" in text
    assert "held-out pictures, fixed noise" in text
    assert "--learning-rate|" in text
    assert json.loads((run / "config.json").read_text())["recipe"] in text
    places = [found.get("src") for tag, found in _Page(page).tags if tag == "img"]
    assert len(places) == 4 + 5 + 5 + 1  # samples, hardest, learnt at once, cut
    assert all(place and place.startswith("data:image/") for place in places)


def test_hostile_words_stay_text(run: Path) -> None:
    """Tags of captions and prompts are shown, not obeyed."""
    found = _Page(_written(run))

    assert {tag for tag, _ in found.tags}.isdisjoint({"b", "i"})
    assert any(HOSTILE in text for text in found.texts)
    assert any("<i>pose</i> 1" in text for text in found.texts)


def test_a_cut_text_is_named(run: Path) -> None:
    """The picture whose text is longer than 75 tokens, how long it is, and its words."""
    page = _written(run)

    part = page.partition('id="texts-that-are-cut"')[2].partition("<section>")[0]
    facts = json.loads((run / "run_facts.json").read_text())
    assert facts["cut"].keys() == {"1.png"}
    assert facts["cut"]["1.png"] > 90
    assert f"{facts['cut']['1.png']} tokens" in part
    assert "x" * 90 in part


def test_it_changes_no_byte_of_a_run(run: Path, base: Path, models: Models, tmp_path: Path) -> None:
    """With a page at every step a run has the exports and checkpoints of one without any."""
    config = config_of(**settings(tmp_path) | {"out": tmp_path / "with"}, save_every_steps=3)
    meta = build_dataset(tmp_path / "data", base)
    pages = _Often()
    made = start.start([meta], config, models, new_console(), report=pages).parent
    other = lora(meta, tmp_path / "without", models, new_console(), save_every_steps=3).parent

    assert len(pages.written) == 7
    assert pages.written[2].startswith("lora on ")
    assert all("step 6 of 6" in line for line in pages.written[-2:])
    for path in other.rglob("*.safetensors"):
        assert (made / path.relative_to(other)).read_bytes() == path.read_bytes()
    assert not (other / "report.html").exists()


class _Often(WrittenReport):
    """Writes the page after every step, and keeps what it says first."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def follow(self, folder: Path, console: Console) -> None:
        self.write(folder, console)

    def write(self, folder: Path, console: Console) -> None:
        super().write(folder, console)
        page = (folder / "report.html").read_text(encoding="utf-8")
        self.written.append(unescape(re.findall(r"<p>([^<]*)</p>", page)[0]))


def test_it_takes_a_hundredth_of_the_time(run: Path, tmp_path: Path) -> None:
    """The next page waits a hundred times as long as the last one took, and a minute at least."""
    some = shutil.copytree(run, tmp_path / "run")
    report = WrittenReport(next_at=0.0)

    report.follow(some, new_console())
    wait = report.next_at - time.monotonic()
    first = (some / "report.html").stat().st_mtime_ns
    report.follow(some, new_console())

    assert (some / "report.html").stat().st_mtime_ns == first
    assert wait == pytest.approx(max(60.0, 100 * report.took_s), abs=1.0)
    assert report.took_s > 0


def test_pictures_are_made_small_once(run: Path, tmp_path: Path) -> None:
    """A second page of the same run opens no picture again; one that changed is."""
    some, pictures = shutil.copytree(run, tmp_path / "run"), ReportPictures()
    write_report(some, pictures)
    known = dict(pictures.known)
    write_report(some, pictures)
    same = dict(pictures.known)
    sample = next((some / "samples").iterdir())
    Image.new("RGB", (8, 8)).save(sample)
    write_report(some, pictures)

    assert same == known
    assert len(pictures.known) == len(known) + 1


def test_damaged_files_are_left_out(run: Path, tmp_path: Path) -> None:
    """Torn logs, a torn picture, an export of no bytes: the page is written of the rest."""
    some = shutil.copytree(run, tmp_path / "run")
    for name, size in (("metrics.jsonl", 1000), ("progress.jsonl", 30), ("run_facts.json", 50)):
        (some / name).write_bytes((some / name).read_bytes()[:size])
    (some / "picture_losses.bin").write_bytes(b"{")
    (some / "toy.safetensors").write_bytes(b"")
    samples = sorted((some / "samples").iterdir())
    samples[0].write_bytes(b"\x89PNG")

    page = _written(some)

    assert _sections(page) == ["Loss", "Samples", "Settings", "Certificate"]
    assert page.count("<figure data-step") == 3


def test_a_run_that_goes_on_has_one_log(base: Path, models: Models, tmp_path: Path) -> None:
    """Each start is marked, no step stands twice, and the time between two starts is no training.

    A line of a step that was lost is gone.
    """
    meta = build_dataset(tmp_path / "data", base)
    first = lora(meta, tmp_path / "runs", models, new_console(), name="toy", steps=4)
    with (first.parent / "progress.jsonl").open("a") as log:
        log.write('{"step": 5, "at": 1.0, "memory": 1}\n{"step": 6, "a')
    made = lora(meta, tmp_path / "runs", models, new_console(), name="toy", steps=6)

    rows = [json.loads(line) for line in (made.parent / "progress.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row.get("begins")] == [0, 4]
    steps = [row["step"] for row in rows if not row.get("begins")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 6
    assert all(row["at"] > 1.0 for row in rows)
    gap = [
        {"step": 0, "at": 0.0, "memory": 1 << 30, "begins": True},
        {"step": 60, "at": 30.0, "memory": 1 << 31},
        {"step": 60, "at": 9000.0, "memory": 1 << 30, "begins": True},
        {"step": 90, "at": 9060.0, "memory": 1 << 30},
    ]
    (made.parent / "progress.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in gap))
    assert paces(run_files(made.parent)) == (
        [(0.5, 2.0), (1.5, 0.5)], [(0.0, 1.0), (0.5, 2.0), (0.5, 1.0), (1.5, 1.0)]
    )  # fmt: skip


def test_the_mean_runs_over_the_last_ones() -> None:
    """Of the first ones there are fewer."""
    points = [(1, 4.0), (2, 2.0), (3, 0.0), (5, 7.0)]

    assert running_mean(points, 2) == [(1, 4.0), (2, 3.0), (3, 1.0), (5, 3.5)]


def test_steps_are_known_by_names(tmp_path: Path) -> None:
    """Pictures of a step, of an epoch and of the last export; those of another run are none."""
    (tmp_path / "samples").mkdir()
    names = ("a-step00000030-00-1.png", "a-000002-00-1.png", "a-00-1.png", "b-00-1.png", "a.png")
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / "samples" / name)
    config: dict[str, Any] = {"name": "a", "steps": 50, "steps_per_epoch": 10}

    assert [one.step for one in RunFiles(tmp_path, config).samples] == [20, 30, 50]


def test_what_is_in_the_way_is_told(run: Path, tmp_path: Path) -> None:
    """No run folder, and a page of another program: two lines; a training goes on without."""
    some = shutil.copytree(run, tmp_path / "run")
    (some / "report.html").write_text("<p>mine")
    told = []
    for folder in (tmp_path, some):
        with pytest.raises(UserError) as caught:
            write_report(folder, ReportPictures())
        told.append((str(caught.value), caught.value.hint))
    console = new_console()
    WrittenReport().write(some, console)

    file = some / "report.html"
    why = f"`{file}` is there and was not made by this program: it is kept"
    assert told == [
        (f"`{tmp_path}` is not a run folder", "name a folder that holds `config.json`"),
        (why, "move it away"),
    ]
    assert said(console) == ("", f"the report was not written: {why}\n")
    assert file.read_text() == "<p>mine"
