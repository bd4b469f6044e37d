"""Scores of a tagger -> tags."""
