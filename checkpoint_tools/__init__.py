"""Checkpoints between formats and shapes: Hugging Face folders and megatron-core checkpoints."""
