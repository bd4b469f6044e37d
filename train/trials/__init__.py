"""Short trainings that choose steps, rank and learning rate: `--probe`."""
