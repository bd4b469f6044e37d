"""The `prep` command line: words of a person in, one call, one report out."""
