"""Formats on disk, read and written as a ``Store``: Hugging Face folders and megatron-core checkpoints."""
