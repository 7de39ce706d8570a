"""Features -> scores: tasks, splits, heads, selection, statistics and results."""
