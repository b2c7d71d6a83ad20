"""The main job: raw text to a verified model and a report, by the commands a user would type."""
