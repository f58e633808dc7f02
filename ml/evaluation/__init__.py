"""Arrays in, numbers out: how good a model is, how sure that is, and whether it may serve."""
