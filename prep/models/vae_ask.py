"""What to look for where a VAE is asked for: all that a command needs to know before it runs."""

from pathlib import Path

from prep.models.locate import Ask

WEIGHTS = "diffusion_pytorch_model.safetensors"
PICKLED = "diffusion_pytorch_model.bin"


def ask_vae(name: str) -> Ask:
    """Return what to look for: a base model's folder, hub id or file, or that of a VAE alone.

    A `.bin` is asked for only where a folder on this machine has nothing else.
    """
    folder = Path(name).expanduser()
    place = folder / "vae" if (folder / "vae").is_dir() else folder
    only_pickled = not (place / WEIGHTS).is_file() and (place / PICKLED).is_file()
    weights = PICKLED if only_pickled else WEIGHTS
    each = ("config.json", weights)
    return Ask("base", name, (*(f"vae/{file}" for file in each), *each), ckpt=True)
