"""Trained members → one sealed, blessed bundle."""
