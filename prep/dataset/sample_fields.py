"""What a person may write into a dataset file, and what may stand there."""

TEXTS = ("tags", "caption", "both")
SPLITS = ("train", "validation")
LOST_ENTRY = "drop"  # what is kept of a person where they removed an entry
MOST_WEIGHT = 1000.0
# What a person may change in a meta file; every other field of a sample is the machine's.
PERSONS = ("tags", "caption", "text", "weight", "concept", "split")
