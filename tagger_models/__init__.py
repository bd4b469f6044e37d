"""Taggers and captioners: rows of data, label files, preprocessing, and what runs the models."""
