"""Who does the pieces of a step: processes of this machine, tasks of a Slurm array, or Ray."""
