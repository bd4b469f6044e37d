"""Turn a folder of pictures into a dataset that can be trained on, stage by stage."""

__version__ = "0.1.0"
