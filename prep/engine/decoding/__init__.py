"""Decoding processes: pictures are opened where a crash stops no run."""
