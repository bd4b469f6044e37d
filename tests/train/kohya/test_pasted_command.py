import pytest

from prep.runtime.errors import ConfigError
from train.kohya.pasted_command import parsed

BASH = """\
# my best settings
accelerate launch --num_cpu_threads_per_process=1 ./sd-scripts/train_network.py \\
    --output_dir="my loras" --network_args "conv_dim=4" "conv_alpha=1" \\
    --cache_latents --network_dim 8 --network_dim=16 \\
    --caption_prefix 'it\\s' --name my\\ lora && echo done
"""
POWERSHELL = """\
accelerate launch `
  --num_cpu_threads_per_process 1 "D:\\sd scripts\\fine_tune.py" `
  --pretrained_model_name_or_path="D:\\models\\v1-5.safetensors" `
  --output_dir 'C:\\out\\' --seed 42
"""
CMD = """\
REM training
accelerate launch train_db.py ^
  --train_data_dir=C:\\pics ^
  --xformers
"""


def test_a_command_of_bash() -> None:
    """Quotes, escapes, lines that go on, values by `=`, several values; the last one counts."""
    found = parsed(BASH)

    assert found.script == "train_network"
    assert found.options == {
        "output_dir": "my loras", "network_args": ["conv_dim=4", "conv_alpha=1"],
        "cache_latents": True, "network_dim": "16", "caption_prefix": "it\\s", "name": "my lora",
    }  # fmt: skip


def test_commands_of_windows() -> None:
    """PowerShell and cmd: a backslash is a part of a path, also at its end."""
    assert parsed(POWERSHELL).script == "fine_tune"
    assert parsed(POWERSHELL).options == {
        "pretrained_model_name_or_path": "D:\\models\\v1-5.safetensors", "output_dir": "C:\\out\\",
        "seed": "42",
    }  # fmt: skip
    assert parsed(CMD) == ("train_db", {"train_data_dir": "C:\\pics", "xformers": True})


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("accelerate launch --x 1", "the command line starts no script (`train_network.py`)",
         "paste one command, from `accelerate` to its last option"),
        ("a.py && b.py", "the command line starts several scripts",
         "paste one command, from `accelerate` to its last option"),
        ("a.py 3 --x", "`3` belongs to no option", "options begin with `--`"),
        ("a.py --x 'y", "a quote is not closed in `a.py --x 'y`", "close it"),
    ],
)  # fmt: skip
def test_what_is_no_command_is_two_lines(text: str, message: str, hint: str) -> None:
    """No script, several, a word without an option, an open quote."""
    with pytest.raises(ConfigError) as caught:
        parsed(text)

    assert (str(caught.value), caught.value.hint) == (message, hint)
