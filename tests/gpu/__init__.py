"""Acceptance on a GPU: one command where there is one, and the same code, tiny, on the CPU (docs/gpu/README.md)."""
