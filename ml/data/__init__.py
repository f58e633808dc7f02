"""From incoming files to a frozen dataset: ingest, validate, audit, split; and phantoms."""
