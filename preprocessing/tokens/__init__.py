"""Encoding and token files."""
