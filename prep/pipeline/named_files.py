"""The paths and files that an option or a line of pipelines.yaml names."""

from pathlib import Path

from prep.runtime import files, text_files
from prep.runtime.errors import ConfigError


def resolve(value: str, folder: Path) -> str:
    """Return a value that may be a path: absolute where it is one, else as it was written.

    Of several with commas between them, it is the same of each.
    """
    if not value or value == "tiny":
        return value
    path = path_of(value, folder)
    if path.exists():
        return path.as_posix()
    parts = [part.strip() for part in value.split(",")]
    return value if len(parts) == 1 else ",".join(resolve(part, folder) for part in parts)


def path_of(value: str, folder: Path) -> Path:
    """Return the path that a person wrote, relative to a folder; raise ConfigError for none."""
    try:
        path = folder / Path(value).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:  # too long; the home of somebody unknown
        why = getattr(error, "strerror", None) or "there is no user of that name"
        raise ConfigError(f"`{value}` is not a path: {why}", "check the spelling") from None
    return path


def file_text(value: str, folder: Path) -> str:
    """Return the text of the file that a param names; empty for no file.

    Raises:
        ConfigError: It is not there, or is not text.
    """
    if not value:
        return ""
    path = path_of(value, folder)
    text = text_of(path, value, "write it, or leave the param out", "file ")
    return text_files.FileText(text, value)


def text_of(path: Path, shown: str, hint: str, what: str = "") -> str:
    """Return the text of a person's file.

    Args:
        shown: How the file is called in messages.
        hint: What to do where it is not there.
        what: What kind of file it is, before its name.

    Raises:
        ConfigError: It is not there, or is not text.
    """
    try:
        return text_files.decode(files.content(path, files.MOST_TABLE))
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"there is no {what}`{shown}`", hint) from None
    except OSError as error:
        why, hint = error.strerror, "make it readable, then run the same command again"
    except text_files.TextError as error:
        why, hint = str(error), "save it as UTF-8"
    raise ConfigError(f"`{shown}` cannot be read: {why}", hint)
