"""What a training leaves for others: LoRA files, models, what they say of themselves."""
