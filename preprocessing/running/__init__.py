"""Runs the tasks of a step: context, markers, progress; local processes, Slurm arrays, Ray."""
