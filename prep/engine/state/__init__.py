"""The memory of a dataset: ledger, journal, and the publication of files."""
