"""Make the tiny world's models from nothing: seeded, in slices that resume, on a CPU or a GPU."""
