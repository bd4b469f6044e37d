import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import scale, startup
from prep.cli.app import main
from prep.engine.state import file_stat

SMALL, LARGE = 400, 2400
_KILOBYTES_PER_SAMPLE = 4.5

Costs = dict[int, dict[str, scale.Cost]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Two prepared datasets in which nothing is to be done."""
    made = {count: tmp_path_factory.mktemp("scale") / str(count) for count in (SMALL, LARGE)}
    for count, folder in made.items():
        scale.generate(folder, count)
    return made


@pytest.fixture(scope="module")
def costs(folders: dict[int, Path]) -> Costs:
    """What a bare read and each command cost on them."""
    return scale.measured(folders, 7)


def test_help_is_there_at_once() -> None:
    """`prep --help` takes at most three times as long as a bare Typer program."""
    found = startup.measured(5, startup.cpu_of_children)

    assert found["prep"] <= startup.MOST_TIMES_BARE * found["bare"]


@pytest.mark.long
@pytest.mark.parametrize("name", scale.COMMANDS)
def test_a_sample_costs_little_more_than_reading_it(costs: Costs, name: str) -> None:
    """What each further sample costs is at most three times what it costs to read it barely."""
    more = {
        program: costs[LARGE][program].cpu_seconds - costs[SMALL][program].cpu_seconds
        for program in ("bare", name)
    }

    assert more[name] <= scale.MOST_TIMES_BARE * more["bare"]


@pytest.mark.long
@pytest.mark.parametrize("name", scale.COMMANDS)
def test_time_grows_with_the_samples(costs: Costs, name: str) -> None:
    """Six times the samples take at most six times as long."""
    growth = costs[LARGE][name].cpu_seconds / costs[SMALL][name].cpu_seconds

    assert growth <= LARGE / SMALL


@pytest.mark.long
@pytest.mark.parametrize("name", scale.COMMANDS)
def test_memory_per_sample(costs: Costs, name: str) -> None:
    """A further sample takes a few kilobytes, so that 50,000 take less than 200 MB."""
    more = costs[LARGE][name].megabytes - costs[SMALL][name].megabytes

    assert more * 1024 / (LARGE - SMALL) <= _KILOBYTES_PER_SAMPLE


def test_an_idle_run_reads_no_file_again(
    folders: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unchanged files are known by their stats: none is hashed; one that was touched is, once."""
    folder = folders[SMALL]
    picture = folder / "images" / "000" / "picture 000007.png"
    monkeypatch.chdir(folder)
    idle = _hashed(monkeypatch, lambda: main(["run", "-q"]))
    os.utime(picture, ns=(10**18, 10**18))
    touched = _hashed(monkeypatch, lambda: main(["run", "-q"]))

    assert idle == []
    assert [Path(path).name for path in touched] == [picture.name]


def test_a_sheet_is_written_row_by_row(folders: dict[int, Path]) -> None:
    """To write the sheet anew, a further sample takes no more memory than to find it written."""
    megabytes = {}
    for count, folder in folders.items():
        (folder / "images" / "tags.csv").unlink()
        found = scale.timed(["prep", "duplicates", "images", "-q"], folder)
        assert (folder / "images" / "tags.csv").exists()
        megabytes[count] = found.megabytes

    more = megabytes[LARGE] - megabytes[SMALL]
    assert more * 1024 / (LARGE - SMALL) <= _KILOBYTES_PER_SAMPLE


def _hashed(monkeypatch: pytest.MonkeyPatch, command: Callable[[], None]) -> list[str]:
    """Return the paths of the files that a command reads to hash them."""
    paths: list[str] = []
    digest = file_stat.digest_now

    def spied(path: str) -> object:
        paths.append(path)
        return digest(path)

    with monkeypatch.context() as patched:
        patched.setattr(file_stat, "digest_now", spied)
        with pytest.raises(SystemExit) as ended:
            command()
    assert ended.value.code == 0
    return paths
