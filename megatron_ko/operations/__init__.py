"""A run on a cluster: submitting its job, checking its machines, deciding on restarts, reporting its state."""
