"""Larger models from smaller ones: more layers, wider layers. Functions from Store to Store."""
