"""What a dataset is now: the disk, the ledger and what people changed since."""
