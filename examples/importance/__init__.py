"""Six ways to score what a smaller model keeps, as in Kanana: a small model, pruned by each and trained again for a while."""
