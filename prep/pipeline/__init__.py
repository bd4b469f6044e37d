"""pipelines.yaml and the command line -> jobs: what a person asked for, checked."""
