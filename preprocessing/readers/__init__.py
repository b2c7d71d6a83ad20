"""Readers: files and data sets to record batches of documents; one module per format."""
