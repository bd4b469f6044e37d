"""`python -m train`: the `train` command where no console script is installed."""

from train.cli import main

if __name__ == "__main__":
    main()
