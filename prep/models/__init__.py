"""Models: found by name, checked before they are opened, read."""
