"""`prep doctor`: one page about this installation and these folders, for a report of a fault."""
