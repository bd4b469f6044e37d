"""Tests of bootstrap.py: what it decides, and one real environment made from nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap

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


def test_no_command_is_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, or with an unknown one, the usage is shown and the exit code is 2."""
    assert bootstrap.main([]) == bootstrap.main(["dmeo"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err == 2 * (bootstrap.USAGE + "\n")
    assert err.startswith("usage: python bootstrap.py COMMAND [ARGUMENTS]\n\n  demo ")


def test_an_old_python_is_two_lines() -> None:
    """A Python below 3.11 is refused, naming both versions; 3.11 and later are taken."""
    with pytest.raises(bootstrap.BootstrapError) as refused:
        bootstrap.check_python((3, 9, 18, "final", 0))

    assert str(refused.value) == "Python 3.11 or newer is needed, this is 3.9"
    assert refused.value.hint == "run it with a newer one: `python3.11 bootstrap.py ...`"
    bootstrap.check_python((3, 11, 0))
    bootstrap.check_python((4, 0, 0))


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
    assert bootstrap.accelerator(drivers, programs) == chosen


def test_what_is_installed() -> None:
    """Torch is never named; a changed accelerator takes both builds of onnxruntime out first."""
    pip = ["py", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    project = f"{bootstrap.ROOT}[cpu,dev]"

    fresh = bootstrap.install_commands("py", ["cpu", "dev"], [], "linux")
    changed = bootstrap.install_commands("py", ["cuda"], ["cpu"], "linux")
    windows = bootstrap.install_commands("py", ["cuda"], [], "win32")

    assert fresh == [[*pip, "install", "--quiet", "--editable", project]]
    assert changed[0] == [*pip, "uninstall", "--yes", "onnxruntime", "onnxruntime-gpu"]
    assert changed[1] == [*pip, "install", "--quiet", "--editable", f"{bootstrap.ROOT}[cuda]"]
    assert windows[0][-4:-2] == ["--extra-index-url", bootstrap.WINDOWS_CUDA_INDEX]


def test_tests_bring_their_tools() -> None:
    """Only `test` asks for the development packages, and they stay once they are there."""
    assert bootstrap.extras_for("demo", "cpu", []) == ["cpu"]
    assert bootstrap.extras_for("test", "cpu", ["cpu"]) == ["cpu", "dev"]
    assert bootstrap.extras_for("demo", "cuda", ["cpu", "dev"]) == ["cuda", "dev"]


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"extras": "cpu"}', "\ud83d\ude00"])
def test_a_damaged_note_means_nothing_is_installed(tmp_path: Path, text: str | None) -> None:
    """A note that is missing or damaged is no error: packages are installed again."""
    note = tmp_path / "bootstrap.json"
    if text is not None:
        note.write_text(text, encoding="utf-8", errors="surrogatepass")

    assert bootstrap.read_stamp(note) == {"extras": []}


def test_it_imports_the_standard_library_only() -> None:
    """It runs where nothing is installed: isolated, without site-packages."""
    script = str(bootstrap.ROOT / "bootstrap.py")
    ended = subprocess.run(
        [sys.executable, "-I", "-S", script], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: ")


def run(project: Path, cwd: Path, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, str(project / "bootstrap.py"), *arguments]
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def test_from_nothing_to_a_running_program(tmp_path: Path) -> None:
    """The first run makes .venv and installs; later ones install only when pyproject changes.

    The program gets its arguments and the folder where the person stands; its exit code is told.
    """
    project, elsewhere = tmp_path / "a clone", tmp_path / "elsewhere"
    (project / "prep").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "prep.py").write_text("raise SystemExit(99)\n")  # not the program
    shutil.copy(bootstrap.ROOT / "bootstrap.py", project)
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "backend.py").write_text(BACKEND)
    (project / "prep" / "__init__.py").write_text("")
    (project / "prep" / "__main__.py").write_text(PROGRAM)
    said = f"['run', 'x y'] {elsewhere}\n"

    first = run(project, elsewhere, "prep", "run", "x y")
    second = run(project, elsewhere, "prep", "run", "x y")
    with (project / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    third = run(project, elsewhere, "prep", "run", "x y")

    note = json.loads((project / ".venv" / "bootstrap.json").read_text())
    installing = f"installing packages ({', '.join(note['extras'])})\n"
    assert first == (7, said, "making .venv\n" + installing)
    assert second == (7, said, "")
    assert third == (7, said, installing)


def test_a_failed_installation_is_told(tmp_path: Path) -> None:
    """When pip fails, its own words come first, then two lines; nothing is marked as done."""
    shutil.copy(bootstrap.ROOT / "bootstrap.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)

    code, out, err = run(tmp_path, tmp_path, "demo")

    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"hint: {bootstrap.HINT}"
    assert err.splitlines()[-2].startswith("error: `pip --disable-pip-version-check")
    assert not (tmp_path / ".venv" / "bootstrap.json").exists()
