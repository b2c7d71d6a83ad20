"""Rows of a vocabulary: how pieces are cut, how new rows are initialized, how well that works."""
