"""Tests of bootstrap.py and prep/install: what they decide, and real environments of a stub."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bootstrap
from prep.install import environment, packages
from prep.install.environment import Wanted

# A project without dependencies that builds itself, so that pip needs no network.
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "stub"
version = "1"
"""
BACKEND = """\
import base64, hashlib, os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    meta = "Metadata-Version: 2.1\\nName: stub\\nVersion: 1\\nProvides-Extra: cpu\\n"
    meta += "Provides-Extra: cuda\\nProvides-Extra: dev\\n"
    wheel = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    texts = {"stub.pth": os.getcwd() + "\\n", "stub-1.dist-info/METADATA": meta,
             "stub-1.dist-info/WHEEL": wheel, "stub-1.dist-info/RECORD": ""}
    with zipfile.ZipFile(os.path.join(folder, "stub-1-py3-none-any.whl"), "w") as file:
        for name, text in texts.items():
            file.writestr(name, text)
    return "stub-1-py3-none-any.whl"
"""
PROGRAM = """\
import os, sys
print(sys.argv[1:], os.getcwd())
sys.exit(7)
"""


ROOT = bootstrap.ROOT


def test_no_command_is_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, or with an unknown one, the usage is shown and the exit code is 2."""
    wrong = ([], ["dmeo"], ["--gpu", "demo"], ["--cpu", "--cuda", "demo"], ["--cpu"])
    assert [bootstrap.main(words) for words in wrong] == [2, 2, 2, 2, 2]

    out, err = capsys.readouterr()
    assert out == ""
    assert err == 5 * (bootstrap.USAGE + "\n")
    assert err.startswith("usage: python bootstrap.py [OPTIONS] COMMAND [ARGUMENTS]\n\n  demo ")


def test_options_stand_before_the_command() -> None:
    """Behind `prep` and `train` every word is theirs; `demo` and `test` are read to the end."""
    assert bootstrap.request(["--cpu", "prep", "run", "--cuda"]) == (
        "prep",
        ["run", "--cuda"],
        "cpu",
        False,
    )
    assert bootstrap.request(["test", "--newest"]) == ("test", [], "", True)
    assert bootstrap.request(["--newest", "demo", "here", "--cuda"]) == (
        "demo",
        ["here"],
        "cuda",
        True,
    )


@pytest.mark.parametrize("found", ["3.9", "3.15"])
def test_a_python_that_cannot_run_it_is_two_lines(found: str) -> None:
    """A Python before 3.11 or after 3.14 is refused, with the versions that can be used."""
    version = (*map(int, found.split(".")), 1, "final", 0)

    assert bootstrap.refusal(version) == (
        f"error: Python 3.11 to 3.14 is needed, this is {found}\n"
        "hint: run it with one of these: `python3.11 bootstrap.py ...`"
    )
    assert bootstrap.refusal((3, 11, 0)) == bootstrap.refusal((3, 14, 9)) == ""


@pytest.mark.parametrize(
    ("drivers", "programs", "chosen"),
    [
        ([], [], "cpu"),
        (["/proc/driver/nvidia/version"], [], "cuda"),
        ([], ["nvidia-smi"], "cuda"),
    ],
)
def test_the_driver_decides(drivers: list[str], programs: list[str], chosen: str) -> None:
    """CUDA packages are chosen where an NVIDIA driver is there, and nowhere else."""
    assert environment.accelerator(drivers, programs) == chosen


def test_what_is_installed() -> None:
    """All comes from the lock, the builder too; a changed accelerator takes both onnxruntimes out.

    The newest are taken without the lock.
    """
    wanted, newest = Wanted(ROOT, "test"), Wanted(ROOT, "test", newest=True)
    pip = [str(wanted.python()), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    install = [*pip, "install", "--progress-bar", "off"]
    locked = [*install, "--constraint", str(ROOT / "constraints.txt")]
    project = ["--no-build-isolation", "--editable", f"{ROOT}[cpu,dev]"]

    def commands(
        of: Wanted, extras: list[str], before: list[str], platform: str
    ) -> list[list[str]]:
        return environment.install_commands(of, extras, before, ["setuptools>=77"], platform)

    fresh = commands(wanted, ["cpu", "dev"], [], "linux")
    changed = commands(wanted, ["cuda"], ["cpu"], "linux")
    windows = commands(wanted, ["cuda"], [], "win32")
    latest = commands(newest, ["cpu", "dev"], [], "linux")

    assert fresh == [[*locked, "setuptools>=77"], [*locked, *project]]
    assert changed[0] == [*pip, "uninstall", "--yes", "onnxruntime", "onnxruntime-gpu"]
    assert changed[2] == [*locked, *project[:2], f"{ROOT}[cuda]"]
    assert windows[1][-5:-3] == ["--extra-index-url", environment.WINDOWS_CUDA_INDEX]
    eager = [*install, "--upgrade", "--upgrade-strategy", "eager", *project]
    assert latest[1][1:] == eager[1:]
    assert latest[1][0] == str(newest.python())


def test_tests_bring_their_tools() -> None:
    """Only `test` asks for the development packages, and they stay once they are there."""
    assert environment.extras_for("demo", "cpu", []) == ["cpu"]
    assert environment.extras_for("test", "cpu", ["cpu"]) == ["cpu", "dev"]
    assert environment.extras_for("demo", "cuda", ["cpu", "dev"]) == ["cuda", "dev"]


def test_a_choice_by_hand_stays() -> None:
    """`--cpu` and `--cuda` hold until the other one is typed, whatever the driver says."""
    first = environment.stamp_for(Wanted(ROOT, "demo", "cuda"), {"extras": []})
    later = environment.stamp_for(Wanted(ROOT, "demo"), first)
    other = environment.stamp_for(Wanted(ROOT, "demo", "cpu"), later)

    assert [each["extras"] for each in (first, later, other)] == [["cuda"], ["cuda"], ["cpu"]]
    assert environment.why_stale(first, later) == ""
    assert environment.why_stale(later, other) == "packages for cpu are asked for"


def test_every_reason_is_one_phrase() -> None:
    """What makes an environment stale is named; one of the version before has no lock noted."""
    now = environment.stamp_for(Wanted(ROOT, "demo"), {"extras": []})
    before = {"extras": now["extras"], "pyproject": now["pyproject"], "root": now["root"]}

    assert environment.why_stale(now, now) == ""
    assert environment.why_stale(now | {"lock": "x"}, now) == "constraints.txt changed"
    assert environment.why_stale(now | {"pyproject": "x"}, now) == "pyproject.toml changed"
    assert environment.why_stale(now | {"root": "x"}, now) == "its folder moved"
    assert environment.why_stale(now | {"python": "x"}, now) == "its Python changed"
    assert environment.why_stale(before, now) == "an older version made it"
    newest = environment.stamp_for(Wanted(ROOT, "demo", newest=True), {"extras": []})
    assert environment.why_stale(newest, newest) == "there may be newer packages"


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"extras": "cpu"}', "\ud83d\ude00"])
def test_a_damaged_note_means_nothing_is_installed(tmp_path: Path, text: str | None) -> None:
    """A note that is missing or damaged is no error: packages are installed again."""
    note = tmp_path / "bootstrap.json"
    if text is not None:
        note.write_text(text, encoding="utf-8", errors="surrogatepass")

    assert environment.read_stamp(note) == {"extras": []}


def test_the_lock_names_what_it_should() -> None:
    """The lock holds CPU and CUDA packages, what Windows needs, what builds; no address."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lock = packages.pins(text)

    assert "://" not in text
    assert "@" not in text
    assert {"onnxruntime", "onnxruntime-gpu", "nvidia-cudnn-cu13", "colorama", "torch"} <= set(lock)
    assert {"setuptools", "pytest", "ruff", "mypy", "xformers", "bitsandbytes"} <= set(lock)


def test_packages_against_the_lock() -> None:
    """A build of the locked version is that version; a package that is not locked is not ours."""
    lock = packages.pins("torch==2.13.0\nnumpy==2.4.6 ; x\nnumpy==2.5.5 ; y\net_xmlfile==2.0.0\n")
    there = packages.pins("torch==2.13.0+cpu\nnumpy==2.5.5\net-xmlfile==1.9\nmine==1\n-e git\n")

    assert packages.differences(lock, there) == ["et-xmlfile 1.9 (locked: 2.0.0)"]
    assert packages.differences(lock, packages.pins("numpy==2.3.0")) == [
        "numpy 2.3.0 (locked: 2.4.6 or 2.5.5)"
    ]


def test_it_imports_the_standard_library_only() -> None:
    """It runs where nothing is installed: isolated, without site-packages."""
    script = str(ROOT / "bootstrap.py")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import prep.install.environment"
    usage = [sys.executable, "-I", "-S", script]
    installing = [sys.executable, "-I", "-S", "-c", code]

    ended = subprocess.run(usage, capture_output=True, text=True, check=False)
    imported = subprocess.run(installing, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: ")
    assert (imported.returncode, imported.stderr) == (0, "")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a clone of a project without dependencies, whose `prep` tells how it was called."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    shutil.copy(ROOT / "bootstrap.py", clone)
    shutil.copytree(ROOT / "prep" / "install", clone / "prep" / "install")
    (clone / "prep" / "runtime").mkdir()
    ground = ("__init__", *(f"runtime/{n}" for n in ("__init__", "console", "counts", "errors")))
    for name in ground:
        shutil.copy(ROOT / "prep" / f"{name}.py", clone / "prep" / f"{name}.py")
    (clone / "pyproject.toml").write_text(PYPROJECT)
    (clone / "constraints.txt").write_text("stub==1\n")
    (clone / "backend.py").write_text(BACKEND)
    (clone / "prep" / "__main__.py").write_text(PROGRAM)
    return clone


def run(project: Path, cwd: Path, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, str(project / "bootstrap.py"), *arguments]
    offline = os.environ | {"PIP_NO_INDEX": "1"}
    ended = subprocess.run(
        command, cwd=cwd, env=offline, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, without_times(ended.stderr)


def without_times(err: str) -> str:
    """Return what was said, without the seconds that an installation took."""
    return "".join(
        line.partition(" in ")[0] + "\n" if line.startswith("installed") else line
        for line in err.splitlines(keepends=True)
        if not line.startswith(("installing packages (cpu): ", "making .venv: "))
    )


INSTALLING = "installing packages (cpu)\ninstalled\n"


def test_from_nothing_to_a_running_program(project: Path, tmp_path: Path) -> None:
    """The first run makes .venv and installs; later ones install only what changed, and say why.

    The program gets its arguments and the folder where the person stands; its exit code is told.
    pip's noise is in a log.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "prep.py").write_text("raise SystemExit(99)\n")  # not the program
    said = f"['run', 'x y'] {elsewhere}\n"
    command = ("--cpu", "prep", "run", "x y")

    first = run(project, elsewhere, *command)
    second = run(project, elsewhere, *command)
    (project / "constraints.txt").write_text("stub==1\nmore==2\n")
    third = run(project, elsewhere, *command)

    assert first == (7, said, "making .venv\n" + INSTALLING)
    assert second == (7, said, "")
    changed = ".venv: constraints.txt changed; bringing it up to date\n"
    assert third == (7, said, changed + INSTALLING)
    assert "Successfully installed stub-1" in (project / ".venv.log").read_text()


@pytest.mark.long
def test_an_environment_of_the_version_before_is_brought_up_to_date(
    project: Path, tmp_path: Path
) -> None:
    """A stamp without a lock, or none, leaves what is there in place and installs over it."""
    run(project, tmp_path, "--cpu", "prep")
    stamp = project / ".venv" / "bootstrap.json"
    kept = project / ".venv" / "kept"
    kept.write_text("mine")
    now = json.loads(stamp.read_text())
    stamp.write_text(json.dumps({name: now[name] for name in ("extras", "pyproject", "root")}))

    older = run(project, tmp_path, "prep")
    stamp.unlink()
    bare = run(project, tmp_path, "--cpu", "prep")

    assert older[2] == ".venv: an older version made it; bringing it up to date\n" + INSTALLING
    assert bare[2] == ".venv: its Python changed; bringing it up to date\n" + INSTALLING
    assert kept.read_text() == "mine"


@pytest.mark.long
def test_a_killed_installation_is_made_again(project: Path, tmp_path: Path) -> None:
    """Killed while pip runs, alone or with pip: the next call waits for pip, then mends all."""
    slow = BACKEND.replace("import base64", "import time; time.sleep(3)\nimport base64")
    (project / "backend.py").write_text(slow)
    command = [sys.executable, str(project / "bootstrap.py"), "--cpu", "prep"]
    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    stamp = project / ".venv" / "bootstrap.json"
    while not stamp.exists():
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert json.loads(stamp.read_text())["unfinished"]
    (project / "backend.py").write_text(BACKEND)

    mended = run(project, tmp_path, "--cpu", "prep")

    waited = "another installation is not done yet: waiting for it\n"
    assert mended[0] == 7
    assert mended[2].removeprefix(waited) == ".venv is not whole: making it again\n" + INSTALLING


@pytest.mark.long
def test_an_environment_without_its_python_is_made_again(project: Path, tmp_path: Path) -> None:
    """Where the Python that it was made with is gone, it is made from nothing."""
    run(project, tmp_path, "--cpu", "prep")
    (project / ".venv" / "bin" / "python").unlink()
    (project / ".venv" / "bin" / "python").symlink_to("/nowhere/python")

    code, _, err = run(project, tmp_path, "prep")

    assert (code, err) == (7, ".venv is not whole: making it again\n" + INSTALLING)


def test_a_failed_installation_is_two_lines(project: Path, tmp_path: Path) -> None:
    """What pip says is wrong is the first line; what was there before it failed is kept."""
    run(project, tmp_path, "--cpu", "prep")
    missing = PYPROJECT.replace("requires = []", 'requires = ["no-such-package-of-ours"]')
    (project / "pyproject.toml").write_text(missing)

    code, out, err = run(project, tmp_path, "prep")
    (project / "pyproject.toml").write_text(PYPROJECT)
    again = run(project, tmp_path, "prep")

    assert (code, out) == (1, "")
    assert err == (
        ".venv: pyproject.toml changed; bringing it up to date\n"
        "installing packages (cpu)\n"
        "error: `pip` failed: Could not find a version that satisfies the requirement "
        "no-such-package-of-ours (from versions: none)\n"
        "hint: all it printed is in `.venv.log`; mend that, then run the same command again\n"
    )
    assert again == (7, f"[] {tmp_path}\n", "")


def test_no_disk_is_told(project: Path, tmp_path: Path) -> None:
    """Where the builder fails, its own words are the first line and the log is named."""
    broken = "def build_editable(*_):\n    raise OSError(28, 'No space left on device')\n"
    (project / "backend.py").write_text(broken)

    code, out, err = run(project, tmp_path, "--cpu", "prep")

    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        "hint: free some gigabytes of disk, then run the same command again"
    )
    assert err.splitlines()[-2].startswith("error: `pip` failed: ")
