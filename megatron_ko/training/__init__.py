"""Training with torch and megatron-core: process groups, model, data, steps, checkpoints, reporting."""
