"""The `train` command line: reads what a person typed, makes one call, prints one report."""
