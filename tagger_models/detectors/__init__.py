"""Detectors of faces, heads, persons and eyes: rows of data, and what runs the models."""
