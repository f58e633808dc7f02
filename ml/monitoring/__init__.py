"""Stages 13 and 14: is what arrives still what the model was validated on, and what follows."""
