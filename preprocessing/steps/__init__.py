"""Steps of preprocessing, one file each; ``pipeline`` runs them in order."""
