"""Arithmetic of a run, without torch: the table of weights, FLOPs, memory, schedules, rules of the configuration."""
