"""Taggers over onnxruntime."""
