"""RedWhale in miniature: adds Korean tokens to small English models and compares every initialization of their rows."""
