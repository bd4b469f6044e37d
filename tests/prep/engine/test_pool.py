import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from prep.engine.decoding import worker
from prep.engine.decoding.groups import AskedPicture, grouped
from prep.engine.decoding.outcome import DecodedPicture, Failure
from prep.engine.decoding.pool import Decoders
from prep.images import picture_file
from prep.runtime.errors import MachineError

posix = pytest.mark.skipif(os.name == "nt", reason="signals and fifos are POSIX")
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

# The real worker, but for pictures with some names. It notes each start and each try.
ODD = """
import os, signal, sys, time
from pathlib import Path
from prep.engine.decoding.worker import decoded, main

def odd(path, fit):
    name = Path(path).name
    with open(path + ".tries", "a") as file:
        file.write(str(os.getpid()) + "\\n")
    tries = len(Path(path + ".tries").read_text().splitlines())
    if "hang" in name:
        time.sleep(600)
    if "abort" in name:
        os.abort()
    if "exit" in name:
        os._exit(3)
    if "kill" in name or ("once" in name and tries == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return decoded(path, fit)

with open(sys.argv[1], "a") as file:
    file.write(str(os.getpid()) + "\\n")
main(odd)
"""


@pytest.fixture
def odd(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "odd.py").write_text(ODD)
    return ("-P", str(tmp_path / "odd.py"), str(tmp_path / "starts"))


def starts(folder: Path) -> list[int]:
    noted = folder / "starts"
    return [int(line) for line in noted.read_text().split()] if noted.exists() else []


def tries(path: Path) -> int:
    return len(Path(f"{path}.tries").read_text().splitlines())


def picture(path: Path, shade: int = 0, size: tuple[int, int] = (20, 10)) -> Path:
    Image.new("RGB", size, (shade, 2, 3)).save(path, "PNG")
    return path


def large(path: Path) -> Path:
    """Return a picture whose file is so large that a decoder is asked for it alone."""
    with picture(path).open("ab") as file:
        file.write(bytes(128 << 10))
    return path


def pictures(folder: Path, count: int) -> list[Path]:
    return [picture(folder / f"{number}.png", number) for number in range(count)]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone_after(pids: list[int], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_results_come_in_order_and_are_those_of_decoding_here(tmp_path: Path, jobs: int) -> None:
    """Any number of decoders gives the pictures in the order asked, pixel for pixel."""
    paths = pictures(tmp_path, 9)
    with Decoders(jobs) as pool:
        results = list(pool.decoded((path.name, path) for path in paths))

    assert [key for key, _ in results] == [path.name for path in paths]
    for path, (_, result) in zip(paths, results, strict=True):
        here = picture_file.opened(path)
        assert result == DecodedPicture(
            here.image.tobytes(),
            (20, 10),
            hashlib.sha256(path.read_bytes()).hexdigest(),
            "PNG",
            (),
        )
        assert isinstance(result, DecodedPicture)
        assert result.image().tobytes() == here.image.tobytes()


def test_warnings_and_failures_cross_the_pipe(tmp_path: Path) -> None:
    """What is odd about a picture, and why there is none, arrive as they are told."""
    wrong = tmp_path / "wrong.jpg"
    picture(tmp_path / "a.png").rename(wrong)
    (tmp_path / "empty.png").touch()
    with Decoders(1) as pool:
        first, second = (r for _, r in pool.decoded([(1, wrong), (2, tmp_path / "empty.png")]))

    assert isinstance(first, DecodedPicture)
    assert first.warnings == ("is named as JPEG and holds PNG",)
    assert second == Failure("empty-file", "the file is empty")


def test_a_picture_that_hangs_is_given_up(tmp_path: Path, odd: tuple[str, ...]) -> None:
    """Row 8: a decoder that hangs is killed after the time limit; other pictures are decoded."""
    paths = pictures(tmp_path, 4)
    paths.insert(1, picture(tmp_path / "hang.png"))
    begun = time.monotonic()
    with Decoders(2, timeout_s=1.0, worker=odd) as pool:
        results = [result for _, result in pool.decoded((path, path) for path in paths)]

    assert time.monotonic() - begun < 10
    assert results[1] == Failure("timeout", "not decoded within 1 s")
    assert all(isinstance(result, DecodedPicture) for result in results[:1] + results[2:])
    assert tries(paths[1]) == 1
    assert len(starts(tmp_path)) in (2, 3)  # the killed one is replaced only if there is work left


def test_time_is_watched_by_one_thread_of_each_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Further pictures start no further thread: small ones are read in less time than that."""
    counts = []
    start = threading.Thread.start
    for many in (4, 24):
        started: list[threading.Thread] = []
        monkeypatch.setattr(
            threading.Thread, "start", lambda self, kept=started: (kept.append(self), start(self))
        )
        folder = tmp_path / str(many)
        folder.mkdir()
        with Decoders(1) as pool:
            found = list(pool.decoded((path, path) for path in pictures(folder, many)))
        assert len(found) == many
        counts.append(len(started))
    assert counts[0] == counts[1] <= 3


@posix
@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("abort", Failure("decoder-crash", "its decoder died (SIGABRT)")),
        ("exit", Failure("decoder-crash", "its decoder died (exit code 3)")),
        ("kill", Failure("oom", "its decoder was killed, as happens when memory runs out")),
    ],
)
def test_a_picture_that_kills_decoders_is_blamed_alone(
    tmp_path: Path, odd: tuple[str, ...], name: str, failure: Failure
) -> None:
    """Rows 9 and 76: a picture of which a second, fresh decoder dies too is blamed, alone."""
    paths = pictures(tmp_path, 5)
    paths.insert(2, picture(tmp_path / f"{name}.png"))
    with Decoders(2, worker=odd) as pool:
        results = [result for _, result in pool.decoded((path, path) for path in paths)]

    assert results[2] == failure
    assert all(isinstance(result, DecodedPicture) for result in results[:2] + results[3:])
    assert [tries(path) for path in paths] == [1, 1, 2, 1, 1, 1]


@posix
def test_a_decoder_killed_by_accident_costs_no_picture(
    tmp_path: Path, odd: tuple[str, ...]
) -> None:
    """Row 76: a decoder that the system kills once is replaced and its picture decoded."""
    path = picture(tmp_path / "once.png")
    with Decoders(1, worker=odd) as pool:
        [(_, result)] = pool.decoded([(0, path)])

    assert isinstance(result, DecodedPicture)
    assert tries(path) == 2


@linux
def test_no_decoder_outlives_a_killed_parent(tmp_path: Path, odd: tuple[str, ...]) -> None:
    """Row 77: a second after SIGKILL of the parent no decoder is left, idle or in a picture."""
    paths = [picture(tmp_path / "a.png"), *(large(tmp_path / f"hang{n}.png") for n in range(2))]
    program = (
        "import pathlib\nfrom prep.engine.decoding.pool import Decoders\n"
        f"with Decoders(3, worker={odd!r}) as pool:\n"
        f"    list(pool.decoded((p, pathlib.Path(p)) for p in {[str(p) for p in paths]!r}))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    end = time.monotonic() + 20
    while not all(Path(f"{path}.tries").exists() for path in paths) and time.monotonic() < end:
        time.sleep(0.01)
    pids = starts(tmp_path)
    assert len(pids) in (2, 3)
    assert all(alive(pid) for pid in pids)

    parent.kill()
    parent.wait()

    assert gone_after(pids, 1.0)


@linux
def test_leaving_the_pool_ends_every_decoder_at_once(tmp_path: Path, odd: tuple[str, ...]) -> None:
    """A run that stops waits for no picture, and leaves no process."""
    paths = [picture(tmp_path / "a.png"), *(large(tmp_path / f"hang{n}.png") for n in range(4))]
    with Decoders(2, worker=odd) as pool:
        results = pool.decoded((path, path) for path in paths)
        next(results)
        begun = time.monotonic()

    assert time.monotonic() - begun < 1.0
    assert gone_after(starts(tmp_path), 0.0)


@posix
def test_changing_files_are_unstable(tmp_path: Path) -> None:
    """Row 21: a file that changes during each of three readings is not decoded."""
    path = tmp_path / "a.png"
    path.write_bytes(picture_file.png(Image.new("RGB", (9, 9))) + bytes(64 << 20))
    stop = threading.Event()

    def touch() -> None:
        while not stop.is_set():
            os.utime(path)

    toucher = threading.Thread(target=touch)
    toucher.start()
    try:
        with Decoders(1) as pool:
            [(_, changing)] = pool.decoded([(0, path)])
    finally:
        stop.set()
        toucher.join()
    with Decoders(1) as pool:
        [(_, still)] = pool.decoded([(0, path)])

    assert changing == Failure("unstable", "it changes while it is read")
    assert isinstance(still, DecodedPicture)


@posix
def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """Rows 22 and 24: a vanished file, a folder, a fifo, a socket and a device hold up nothing."""
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "fifo.png")
    with socket.socket(socket.AF_UNIX) as bound, Decoders(1, timeout_s=5) as pool:
        bound.bind(str(tmp_path / "s.png"))
        names = ["gone.png", "folder.png", "fifo.png", "/dev/zero", "s.png"]
        results = [result for _, result in pool.decoded((n, tmp_path / n) for n in names)]

    no_file = Failure("not-a-file", "a folder, pipe or device, not a file")
    assert results == [
        Failure("missing", "the file is gone"),
        no_file,
        no_file,
        no_file,
        Failure("io-error", "No such device or address"),
    ]


@linux
def test_a_read_error_is_told(tmp_path: Path) -> None:
    """Row 62: what the disk will not give after three tries is an io-error, others go on."""
    paths = [Path("/proc/self/mem"), tmp_path / ("n" * 300), picture(tmp_path / "a.png")]
    with Decoders(1) as pool:
        results = [result for _, result in pool.decoded((path, path) for path in paths)]

    assert results[:2] == [
        Failure("io-error", "Input/output error"),
        Failure("io-error", "File name too long"),
    ]
    assert isinstance(results[2], DecodedPicture)


@posix
def test_too_few_open_files_is_an_error_of_the_machine(tmp_path: Path) -> None:
    """Row 80: a run that may open no more files says which option to lower."""
    picture(tmp_path / "a.png")
    program = """
import resource, sys, pathlib
from prep.engine.decoding.pool import Decoders
from prep.runtime.errors import MachineError
resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
try:
    with Decoders(4) as pool:
        list(pool.decoded((n, pathlib.Path(sys.argv[1])) for n in range(8)))
except MachineError as error:
    print(error, error.hint, sep="|")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.png")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == (
        "no further picture decoder can be started: Too many open files|"
        "run the same command with a smaller `--jobs`\n"
    )


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_no_more_pictures_than_twice_the_jobs(tmp_path: Path, jobs: int) -> None:
    """With a slow reader, never more than 2 x jobs pictures are taken and not given back."""
    path = tmp_path / "a.png"
    Image.effect_noise((500, 400), 80).convert("RGB").save(path)  # no small file
    taken, most = 0, 0

    def asked() -> Iterator[tuple[int, Path]]:
        nonlocal taken, most
        for number in range(20):
            taken += 1
            most = max(most, taken - returned)
            yield number, path

    returned = 0
    with Decoders(jobs) as pool:
        for key, _ in pool.decoded(asked()):
            if key < 3:
                time.sleep(0.05)
            returned += 1

    assert (taken, most) == (20, max(2, 2 * jobs - 1))


def test_small_files_are_asked_for_together(tmp_path: Path) -> None:
    """Files of 128 KiB in all go to a decoder at once; larger ones, and any to be cut, alone."""
    sizes = [60 << 10, 60 << 10, 60 << 10, 1 << 20, 1, 128 << 10, 5, 6]
    asked = []
    for number, size in enumerate(sizes):
        path = tmp_path / str(number)
        path.write_bytes(bytes(size))
        asked.append(AskedPicture(number, path, ()))

    assert [[one.key for one in some] for some in grouped(asked)] == [
        [0, 1], [2], [3], [4], [5], [6, 7],
    ]  # fmt: skip
    for one in asked:
        one.parts = lambda picture: []
    assert [len(some) for some in grouped(asked)] == [1] * len(sizes)


def test_small_files_of_large_pictures_wait_for_each_other(tmp_path: Path) -> None:
    """However small the files, no more results wait together than a small picture has pixels."""
    flat, tiny = picture(tmp_path / "a.png", size=(900, 900)), picture(tmp_path / "b.png")
    ways: dict[str, list[list[object]]] = {"": [], "large": [["sides", "BOX", None, [900, 900]]]}
    counts = {}
    for name, fit in ways.items():
        for path in (flat, tiny):
            counts[path.stem + name], _ = worker._in_one_go([(str(path), fit)] * 40)

    assert counts == {"a": 1, "alarge": 1, "b": 40, "blarge": 1}


def test_nothing_to_do_starts_nothing(tmp_path: Path, odd: tuple[str, ...]) -> None:
    """A run with no picture to decode starts no process; one picture starts one."""
    with Decoders(4, worker=odd) as pool:
        assert list(pool.decoded([])) == []
        assert starts(tmp_path) == []
        assert len(list(pool.decoded([(0, picture(tmp_path / "a.png"))]))) == 1
        assert len(list(pool.decoded([(0, picture(tmp_path / "b.png"))]))) == 1

    assert len(starts(tmp_path)) == 1


def test_a_reader_that_stops_leaves_the_pool_usable(tmp_path: Path) -> None:
    """Results that nobody wants any more are dropped; the next ones are not mixed with them."""
    paths = pictures(tmp_path, 8)
    with Decoders(2) as pool:
        for key, _ in pool.decoded(enumerate(paths)):
            if key == 1:
                break
        again = [key for key, _ in pool.decoded(enumerate(paths))]

    assert again == list(range(8))


def test_a_worker_that_cannot_start_stops_the_run(tmp_path: Path) -> None:
    """A broken installation is an error that says so, never a failure of each picture."""
    broken = ("-c", "raise SystemExit('No module named PIL')")
    with (
        pytest.raises(MachineError) as stopped,
        Decoders(2, worker=broken) as pool,
    ):
        list(pool.decoded([(0, picture(tmp_path / "a.png"))]))

    assert str(stopped.value) == "the picture decoder does not start: No module named PIL"
    assert stopped.value.hint == "install the program again, then run the same command"


@posix
def test_too_little_memory_fails_one_picture(tmp_path: Path) -> None:
    """Row 7: a picture that needs more memory than a decoder may take fails, and no other."""
    script = tmp_path / "small.py"
    script.write_text(
        "import resource\nfrom prep.engine.decoding.worker import main\n"
        "resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\nmain()\n"
    )
    Image.new("L", (9500, 9500)).save(tmp_path / "large.png")
    paths = [tmp_path / "large.png", picture(tmp_path / "a.png")]
    with Decoders(1, worker=("-P", str(script))) as pool:
        results = [result for _, result in pool.decoded((path, path) for path in paths)]

    assert results[0] == Failure("resource-limit", "decoding it takes too much memory")
    assert isinstance(results[1], DecodedPicture)


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_to_the_whole_group_are_the_parents(
    tmp_path: Path, odd: tuple[str, ...], name: str
) -> None:
    """Ctrl-C and a scheduler's SIGTERM reach decoders too, which finish what is under way."""
    with Decoders(1, worker=odd) as pool:
        list(pool.decoded([(0, picture(tmp_path / "a.png"))]))
        os.kill(starts(tmp_path)[0], getattr(signal, name))
        [(_, result)] = pool.decoded([(0, picture(tmp_path / "b.png"))])

    assert isinstance(result, DecodedPicture)
    assert len(starts(tmp_path)) == 1


def test_decoders_are_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What decoding libraries print about damaged files does not reach the terminal."""
    stream = io.BytesIO()
    Image.new("RGB", (40, 30)).save(stream, "TIFF", compression="jpeg")
    torn = stream.getvalue().replace(b"\xff\xda", b"\xff\x04")
    (tmp_path / "a.tif").write_bytes(torn)
    with Decoders(1) as pool:
        [(_, result)] = pool.decoded([(0, tmp_path / "a.tif")])

    assert isinstance(result, Failure)
    assert result.kind == "decode-error"
    assert capfd.readouterr() == ("", "")


def test_no_code_is_imported_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of pictures that holds a PIL.py runs nothing of it."""
    (tmp_path / "PIL.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    with Decoders(1) as pool:
        [(_, result)] = pool.decoded([(0, picture(tmp_path / "a.png"))])

    assert isinstance(result, DecodedPicture)
    assert not (tmp_path / "ran").exists()


@linux
def test_what_decoders_print_is_kept_nowhere(tmp_path: Path, odd: tuple[str, ...]) -> None:
    """Over a million pictures, the complaints of decoding libraries fill no file."""
    with Decoders(1, worker=odd) as pool:
        list(pool.decoded([(0, picture(tmp_path / "a.png"))]))
        opened = [Path(f"/proc/{starts(tmp_path)[0]}/fd/{number}").readlink() for number in (1, 2)]

    assert opened == [Path("/dev/null")] * 2


@posix
def test_any_name_a_disk_holds(tmp_path: Path) -> None:
    """Row 20: names in Japanese, with a newline, a leading dash or in no encoding are decoded."""
    names = ["\u732b.png", "a\nb.png", "-a.png", os.fsdecode(b"\xff\xfe.png")]
    paths = [picture(tmp_path / name) for name in names]
    with Decoders(1) as pool:
        results = [result for _, result in pool.decoded((path, path) for path in paths)]

    assert [type(result) for result in results] == [DecodedPicture] * 4


def test_the_pool_imports_nothing_heavy() -> None:
    """Naming the pool loads no Pillow, and its workers load neither Typer, Rich nor NumPy."""
    program = "import sys, {0}; print(*(name for name in {1} if name in sys.modules))"
    asked = [
        ("prep.engine.decoding.pool", ["PIL", "numpy", "typer", "rich"]),
        ("prep.engine.decoding.worker", ["PIL", "numpy", "typer", "rich", "prep.runtime.console"]),
    ]
    for module, names in asked:
        command = [sys.executable, "-c", program.format(module, names)]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"\n"
