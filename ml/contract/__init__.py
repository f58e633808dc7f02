"""The shared leaf: what training and serving must agree on. Imports nothing else of Vigie."""
