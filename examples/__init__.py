"""Examples that run: the whole main job, a report of it, and text generated from its model."""
