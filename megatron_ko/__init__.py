"""Pretraining of Korean, English and code language models on NVIDIA's megatron-core."""
