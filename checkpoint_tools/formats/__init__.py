"""Checkpoints on disk as a ``Store``: Hugging Face folders and folders of megatron-core."""
