"""`python -m prep`, and the `prep` command."""

import gc

from prep.runtime.stopping import end_at_once

# Rows of samples hold no cycles: to look for some after every 700 of them is a tenth of the time.
_LOOK_FOR_CYCLES_EVERY = 100_000


def main() -> None:
    """Run the command that was typed; a stop ends it also while its parts are imported."""
    gc.set_threshold(_LOOK_FOR_CYCLES_EVERY)
    with end_at_once():
        from prep.cli.app import main as run

        run()


if __name__ == "__main__":
    main()
