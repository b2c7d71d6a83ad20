"""Finds duplicate documents and frequent lines."""
