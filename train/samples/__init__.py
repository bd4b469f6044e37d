"""Pictures that a model draws: the sheet of a LoRA, prompts, samplers."""
