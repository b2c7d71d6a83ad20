"""The recipe of growth: 8 layers become 10."""
