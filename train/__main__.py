"""`python -m train`, and the `train` command."""

from prep.runtime.stopping import end_at_once


def main() -> None:
    """Run the command that was typed; a stop ends it also while its parts are imported."""
    with end_at_once():
        from train.cli.app import main as run

        run()


if __name__ == "__main__":
    main()
