import pytest

from prep.runtime.errors import ConfigError
from train.kohya.pasted_command import parsed

BASH = """\
# my best settings
accelerate launch --num_cpu_threads_per_process=1 ./sd-scripts/train_network.py \\
    --output_dir="my loras" --network_args "conv_dim=4" "conv_alpha=1" \\
# --noise_offset 0.1 \\
    --cache_latents --network_dim 8 --network_dim=16 \\
    --caption_prefix 'it\\s' --name my\\ lora && echo done
echo "another line"
"""
POWERSHELL = """\
$model = "D:\\models\\v1-5.safetensors"
accelerate launch `
  --num_cpu_threads_per_process 1 "D:\\sd scripts\\fine_tune.py" `
  --pretrained_model_name_or_path="$model" `
  --output_dir 'C:\\out\\' --seed 42  # the answer
Read-Host "Press Enter"
"""
CMD = """\
REM training
set PICS=C:\\pics
accelerate launch train_db.py ^
  --train_data_dir=%PICS% ^
  --xformers
pause
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
    assert parsed(CMD) == ("train_db", {"train_data_dir": "C:\\pics", "xformers": True}, 1, ())


@pytest.mark.parametrize(
    ("launcher", "processes", "others"),
    [
        ("", 1, ()),
        ("accelerate launch --num_cpu_threads_per_process 8", 1, ("num_cpu_threads_per_process",)),
        ("accelerate launch --num_processes 2 --mixed_precision=fp16", 2, ("mixed_precision",)),
        ("accelerate launch --num_processes=3", 3, ()),
        ("torchrun --nproc_per_node 4", 4, ()),
        ("torchrun --nproc-per-node=gpu", 1, ("nproc-per-node",)),
    ],
)
def test_the_launcher_says_how_many_processes(
    launcher: str, processes: int, others: tuple[str, ...]
) -> None:
    """Of what stands before the script the number of processes is read, the others are named."""
    text = f"{launcher} train_network.py --seed 1"

    assert parsed(text) == ("train_network", {"seed": "1"}, processes, others)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("accelerate launch --x 1", "the command line starts no script (`train_network.py`)",
         "paste one command, from `accelerate` to its last option"),
        ("a.py && b.py", "the command line starts several scripts",
         "paste one command, from `accelerate` to its last option"),
        ("a.py 3 --x", "`3` belongs to no option", "options begin with `--`"),
        ("a.py --x 'y", "a quote is not closed in `a.py --x 'y`", "close it"),
        ("a.py --xformers --network_dim", "`--network_dim` has no value",
         "give it one, or leave it out"),
        ("a.py --network_train_unet_only=False", "`--network_train_unet_only` takes no value",
         "write `--network_train_unet_only`, or leave it out"),
        ("a.py --enable_bucket -network_dim=8", "`-network_dim=8` belongs to no option",
         "options begin with `--`"),
        ("a.py --network_dim 8 9", "`9` belongs to no option", "options begin with `--`"),
        ("a.py --base $model", "`$model` is a variable that is not set in what was pasted",
         "write its value in its place"),
    ],
)  # fmt: skip
def test_what_is_no_command_is_two_lines(text: str, message: str, hint: str) -> None:
    """No script, several, a word without an option, an open quote."""
    with pytest.raises(ConfigError) as caught:
        parsed(text)

    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_what_typesetting_made_of_a_command_is_undone() -> None:
    """Long dashes and curly quotes of a web page are those that a shell reads."""
    found = parsed(
        "train_network.py \u2014network_dim=8 \u2013\u2013output_name \u201cmy lora\u201d"
    )

    assert found.options == {"network_dim": "8", "output_name": "my lora"}
