"""What a person asked for becomes orders: which folder, which params, which files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.engine.inventory.location import Location
from prep.pipeline.command_line import pipeline_of
from prep.pipeline.jobs import Given, of_fan_out, of_folder, of_meta, of_pipeline
from prep.pipeline.locations import known_location, location_of
from prep.pipeline.pipeline import Pipeline, PipelineStep
from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import DatasetError
from prep.stages import all_stages

Draw = Callable[..., Path]
COMMANDS = all_commands(all_stages().values())
NOTHING = Given({})
TEXTS = {".txt": "tags", ".caption": "caption"}


def pipeline(home: Path, *steps: PipelineStep, **more: Any) -> Pipeline:
    return Pipeline("p", home / "raw", home / "data.json", steps, **more)


def test_option_over_pipeline_over_default(draw: Draw, home: Path) -> None:
    """A param comes from the option, else from the pipeline that names the folder, else default."""
    draw("raw/a.png")
    named = pipeline(home, PipelineStep(COMMANDS["tag"], {"threshold": 0.3, "rating": True}))
    job = of_folder(COMMANDS["tag"], Path("raw"), Given({"threshold": 0.4}), named)
    render = next(asked.params for asked in job.asked if asked.stage.name == "render")

    assert (render.threshold, render.rating, render.character_threshold) == (0.4, True, 0.0)


def test_where_the_dataset_file_goes(draw: Draw, home: Path) -> None:
    """`--out`, else the pipeline's `meta`, else meta.json; only where a stage writes one."""
    draw("raw/a.png")
    edit, raw = COMMANDS["edit"], Path("raw")

    assert of_folder(edit, raw, Given({}, out=Path("x.json")), None).meta == Path("x.json")
    assert of_folder(edit, raw, NOTHING, pipeline(home)).meta == home / "data.json"
    assert of_folder(edit, raw, NOTHING, None).meta == Path("meta.json")
    assert of_folder(COMMANDS["tag"], raw, NOTHING, pipeline(home)).meta is None


def test_where_the_state_lies(home: Path) -> None:
    """`--state`, else the pipeline's for its first folder, else `.prep` in the folder."""
    (home / "raw").mkdir()
    named = pipeline(home, state=home / "state", sidecars={".txt": "caption"})
    raw = home / "raw"

    assert location_of(raw, None, None) == Location(raw, raw / ".prep", TEXTS)
    assert location_of(raw, None, named) == Location(raw, home / "state", {".txt": "caption"})
    assert location_of(raw, home / "s", named).state == home / "s"
    assert location_of(home / "cut", None, named).state == home / "cut" / ".prep"


def test_a_folder_that_is_asked_about_has_to_be_there(home: Path) -> None:
    """Asking about a folder that is not there makes none."""
    with pytest.raises(DatasetError) as caught:
        known_location(Path("raw"), None, None)

    assert str(caught.value) == "the folder `raw` is not there"
    assert not (home / "raw").exists()


def test_a_fan_out_reads_one_folder_and_writes_another(draw: Draw, home: Path) -> None:
    """State lives with the output; the source keeps its own."""
    draw("raw/a.png")
    job = of_fan_out(COMMANDS["crop"], (Path("raw"), Path("cut")), NOTHING, None)

    assert job.location == Location(Path("cut"), Path("cut/.prep"), TEXTS)
    assert job.source == Location(Path("raw"), Path("raw/.prep"), TEXTS)


def test_a_pipeline_is_an_order_per_folder(draw: Draw, home: Path) -> None:
    """Each `to:` begins a new folder, which the steps after it read."""
    draw("raw/a.png")
    steps = (
        PipelineStep(COMMANDS["crop"], {"min_side": 8}, home / "cut"),
        PipelineStep(COMMANDS["edit"], {}),
        PipelineStep(COMMANDS["bucket"], {}),
    )
    cut, rest = of_pipeline(pipeline(home, *steps))
    names = [asked.stage.name for asked in rest.asked]

    assert (cut.location.root, cut.source and cut.source.root) == (home / "cut", home / "raw")
    assert cut.asked[0].params.min_side == 8
    assert (rest.location.root, rest.source, rest.meta) == (home / "cut", None, home / "data.json")
    assert sorted(names) == ["bucket", "edit", "measure", "meta", "meta_bucket"]
    assert names.index("edit") < names.index("meta") < names.index("meta_bucket")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("raw", "`raw` cannot be read and written at once"),
        ("raw/cut", "`raw/cut` lies inside `raw`, which is read"),
        (".", "`raw` lies inside `.`, which is written"),
    ],
)
def test_folders_of_a_pipeline_lie_apart(draw: Draw, home: Path, to: str, message: str) -> None:
    """A pipeline whose output would be read again is refused before anything runs."""
    draw("raw/a.png")
    with pytest.raises(DatasetError) as caught:
        of_pipeline(pipeline(home, PipelineStep(COMMANDS["crop"], {}, home / to)))

    assert str(caught.value) == message
    assert caught.value.hint == "write another folder after `to:` of `crop`"


def test_a_dataset_file_says_where_its_pictures_are(draw: Draw, home: Path) -> None:
    """Root and state are relative to the file, wherever one stands; `--state` comes first.

    A state folder that only the file names is not believed; see the tests of places.
    """
    draw("data/raw/a.png")
    (home / "data" / "x_bucket.json").write_text(
        '{"format": "prep-dataset", "version": 1, "root": "raw", "state": "raw/.prep",'
        ' "samples": {}}'
    )
    file = Path("data/x_bucket.json")
    job = of_meta(COMMANDS["latents"], file, NOTHING, None)
    told = of_meta(COMMANDS["latents"], file, Given({}, state=Path("t")), None)

    assert (job.location.root, job.location.state) == (Path("data/raw"), Path("data/raw/.prep"))
    assert job.meta == Path("data/x.json")
    assert told.location.state == Path("t")


def test_a_pipeline_is_for_its_own_chain_of_files_alone(home: Path) -> None:
    """What only begins like the name of its dataset file, or ends otherwise, is another one's."""
    for name in ("chara", "lines"):
        (home / name).mkdir()
    (home / "pipelines.yaml").write_text(
        "pipelines:\n  first: {images: ./chara, meta: ./chara.json, stages: [edit]}\n"
        "  second: {images: ./lines, meta: ./lines.jsonl, stages: [edit]}\n"
    )
    named = {
        "chara": "first", "chara.json": "first", "chara_bucket.json": "first",
        "chara_lat.json": "first", "lines.jsonl": "second", "lines_bucket.jsonl": "second",
        "lines_lat.jsonl": "second", "chara2": None, "chara2.json": None,
        "chara2_bucket.json": None, "chara_other.json": None, "chara_lat.jsonl": None,
        "chara_lat_lat.json": None, "lines_lat.json": None, "sub/chara.json": None,
    }  # fmt: skip

    for path, wanted in named.items():
        found = pipeline_of(Path(path), None)
        assert (found.name if found else None) == wanted, path
