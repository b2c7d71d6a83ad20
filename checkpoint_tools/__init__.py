"""Converts and reshapes models: Hugging Face folders and megatron-core checkpoints."""
