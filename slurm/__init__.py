"""Batch scripts for Slurm, and the decision to requeue."""
