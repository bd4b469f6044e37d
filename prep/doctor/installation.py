"""The program, its Python, its packages, and the devices it can compute on."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from prep import __version__
from prep.counts import counted
from prep.doctor.diagnosis import Diagnosis, size
from prep.install import environment, packages
from prep.install.environment import Wanted

_ROOT = Path(__file__).resolve().parents[2]
# PyPI's build beside a CPU build of torch: `import peft` and half of transformers then fail.
_BREAKS = {"torchvision": "`import peft` fails beside it unless its build is torch's own"}
_BOTH = ("onnxruntime", "onnxruntime-gpu")


def findings() -> Iterator[Diagnosis]:
    """Yield what is installed and what it runs on."""
    yield Diagnosis("program", f"prep-and-train {__version__}{_commit()}")
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Diagnosis("Python", f"{platform.python_version()} on {system}, in {sys.prefix}")
    yield Diagnosis("machine", f"{counted(os.cpu_count() or 1, 'core')}, {_memory()}")
    yield from _packages()
    yield _torch()
    yield _onnxruntime()
    yield Diagnosis("NVIDIA", _driver())


def _commit() -> str:
    """Return the commit of the checkout, and whether it was changed; nothing elsewhere."""
    git = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    with suppress(OSError):
        ended = subprocess.run(git, capture_output=True, text=True, check=False)
        if ended.returncode == 0 and (_ROOT / ".git").exists():
            return f", commit {ended.stdout.strip()}"
    return ""


def _memory() -> str:
    """Return how much memory there is, where the system tells."""
    with suppress(OSError, ValueError, AttributeError):
        page = os.sysconf("SC_PAGE_SIZE")
        whole, free = (os.sysconf(f"SC_{name}PHYS_PAGES") * page for name in ("", "AV"))
        return f"{size(whole)} of memory, {size(free)} free"
    return "memory unknown"


def _packages() -> Iterator[Diagnosis]:
    """Yield the packages against the lock, and those that do not go together."""
    there = installed()
    lock_file = _ROOT / environment.LOCK
    if lock_file.exists():
        lock = packages.pins(lock_file.read_text(encoding="utf-8"))
        differing = packages.differences(lock, {name: (v,) for name, v in there.items()})
        locked = sum(name in lock for name in there)
        if differing:
            yield Diagnosis(
                "packages",
                f"{len(differing)} of {locked} are not as locked: {', '.join(differing)}",
                "`python bootstrap.py prep doctor --fix` installs the locked ones",
                _install_locked,
            )
        else:
            yield Diagnosis("packages", f"{locked}, all as in {environment.LOCK}")
    else:
        main = ", ".join(f"{n} {there[n]}" for n in ("torch", "transformers") if n in there)
        yield Diagnosis("packages", f"no {environment.LOCK} beside the program; {main}")
    for name, why in _BREAKS.items():
        if name in there:
            yield Diagnosis(name, f"{there[name]}: {why}", f"`pip uninstall {name}`")
    if all(name in there for name in _BOTH):
        hint = f"`pip uninstall {' '.join(_BOTH)}`, then install the one that is wanted"
        yield Diagnosis("onnxruntime", "both builds are installed: the later one overwrote", hint)


def installed() -> dict[str, str]:
    """Return package -> version of all that this Python finds, names in their normal form."""
    return {
        packages.normal(found.metadata["Name"]): found.version
        for found in importlib.metadata.distributions()
        if found.metadata["Name"]
    }


def _install_locked() -> str:
    """Install the versions of the lock into the environment that bootstrap.py made."""
    wanted = Wanted(_ROOT, "prep")
    if Path(sys.prefix).resolve() != wanted.folder().resolve():
        return f"left alone: it is not {wanted.folder().name} of bootstrap.py that runs here"
    environment.forget_lock(wanted)
    environment.prepare(wanted)
    return "the locked packages were installed"


def _torch() -> Diagnosis:
    """Return what PyTorch computes on."""
    try:
        torch = import_module("torch")
        cards = [
            f"{torch.cuda.get_device_name(at)} ({size(torch.cuda.mem_get_info(at)[1])})"
            for at in range(torch.cuda.device_count())
        ]
    except Exception as error:
        return Diagnosis("torch", _failed(error), "`python bootstrap.py prep doctor --fix`")
    if cards:
        return Diagnosis("torch", f"{torch.__version__}, on {', '.join(cards)}")
    if _driver() != "no driver":
        hint = "`python bootstrap.py --cuda prep doctor` installs the CUDA build"
        return Diagnosis("torch", f"{torch.__version__}, cannot use the NVIDIA card", hint)
    return Diagnosis("torch", f"{torch.__version__}, on the CPU")


def _onnxruntime() -> Diagnosis:
    """Return what onnxruntime was built for; whether a card is found, only a session tells."""
    try:
        runtime = import_module("onnxruntime")
        providers = ", ".join(
            name.removesuffix("ExecutionProvider") for name in runtime.get_available_providers()
        )
    except Exception as error:
        return Diagnosis("onnxruntime", _failed(error), "`python bootstrap.py prep doctor --fix`")
    return Diagnosis("onnxruntime", f"{runtime.__version__}, built for {providers}")


def _failed(error: Exception) -> str:
    return f"cannot be imported: {type(error).__name__}: {str(error).splitlines()[0][:200]}"


def _driver() -> str:
    """Return the version of NVIDIA's driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "no driver"
    query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.TimeoutExpired):
        ended = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
        return ", ".join(ended.stdout.split("\n")).strip(", ") or "the driver does not answer"
    return "the driver does not answer"
