"""RedWhale in miniature: a small English model gets Korean tokens, and every initialisation of their rows is judged."""
