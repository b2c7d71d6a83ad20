"""Duplicates of documents and of lines."""
