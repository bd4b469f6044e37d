"""Captioners, on this machine or behind a server."""
