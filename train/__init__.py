"""Turn a dataset made by prep into a LoRA or a fine-tuned model."""
