"""Batch scripts for Slurm, and what they decide."""
