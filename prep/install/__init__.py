"""The environment that the programs run in: packages against the lock, and how they come in."""
