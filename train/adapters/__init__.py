"""Adapters: the layers that learn beside a base model, and the files they come from."""
