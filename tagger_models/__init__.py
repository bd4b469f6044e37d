"""Taggers and captioners: rows of data, label files, preprocessing and their back ends."""
