"""One self-contained HTML page about a main job: data, training, verification, samples."""
