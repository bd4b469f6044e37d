"""Which pictures show the same, what was done to one of them, and where they differ. Pure."""
