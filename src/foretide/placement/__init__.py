"""Where a task should go: pure functions from predictions and load to completions, refusals, scores and plans."""
