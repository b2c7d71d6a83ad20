"""What a run reads before it starts, without torch: its data, its weights, its teachers."""
