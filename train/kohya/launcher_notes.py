"""Options of what starts kohya's scripts (`accelerate launch`, `torchrun`): none decides here.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py, gives its own values to
accelerate's Accelerator; accelerate 1.15 reads those of its launcher only where none are given.
"""

from collections.abc import Iterator, Sequence

_OWN = ("mixed_precision", "gradient_accumulation_steps", "dynamo_backend")
# Say where and by how many the scripts are started, not what they train.
_STARTS = """
num_cpu_threads_per_process num_machines machine_rank main_process_ip main_process_port gpu_ids
multi_gpu same_network quiet standalone nnodes node_rank master_addr master_port rdzv_id
rdzv_backend rdzv_endpoint
"""


def launcher_notes(names: Sequence[str]) -> Iterator[str]:
    """Yield what becomes of each option of a launcher.

    Args:
        names: Of the options, without dashes in front of them.
    """
    for name in names:
        plain = name.replace("-", "_")
        if plain in _OWN:
            why = f"kohya's scripts take their own `--{plain}`, behind the script's name"
        elif plain in _STARTS.split():
            why = "it says how the scripts are started, not what they train"
        else:
            why = "nothing of it is taken over"
        yield f"`--{name}` in front of the script is left out: {why}"
