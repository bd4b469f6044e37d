"""What the outputs of a tagger mean: label files."""
