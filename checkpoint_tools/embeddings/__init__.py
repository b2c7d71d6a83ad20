"""Rows of a vocabulary: decomposes new pieces, initializes their rows, and judges the initializations."""
