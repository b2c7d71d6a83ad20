"""Pruning of width and depth: reads importance scores, chooses a shape and what it keeps, and makes the smaller Store."""
