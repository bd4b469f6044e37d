"""The dataset file: what prep publishes and train reads, and the words in it."""
