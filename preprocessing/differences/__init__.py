"""Documents before and after a run: what changed, by which rule, and the page that shows it."""
