"""`prep stages`: every stage with what it reads and writes."""

from collections.abc import Mapping

from prep.runtime.console import Console
from prep.stage import Stage


def list_stages(known: Mapping[str, Stage], console: Console) -> int:
    """List every stage with what it reads and writes."""
    for stage in known.values():
        reads = ", ".join(stage.reads)
        console.say(f"{stage.name:<16} {stage.shape.value:<9} {reads} -> {stage.writes}")
    return 0
