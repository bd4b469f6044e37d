"""kohya's own files and command lines, read and turned into a pipelines.yaml."""
