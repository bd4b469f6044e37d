"""What is trained on: dataset files, captions, the order of samples, batches."""
