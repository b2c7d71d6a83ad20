"""A model you have, continued: Korean for a small English base, by the commands that a user types."""
