"""Running the tasks of a step: context, markers, progress; processes of this machine, Slurm arrays, Ray."""
