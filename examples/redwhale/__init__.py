"""RedWhale in miniature: a small English model gets Korean tokens, and every initialization of their rows is judged."""
