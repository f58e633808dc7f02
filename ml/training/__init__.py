"""Training data → trained members and the vote fitted on validation data."""
