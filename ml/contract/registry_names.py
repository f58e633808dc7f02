"""Names in the model registry that the pipeline writes and the server reads."""

BUNDLE_ARTIFACT = "bundle"
"""The folder of a version's bundle among the artifacts of its run."""

BUNDLE_SHA256_TAG = "bundle_sha256"
"""Tag of a version: the identity of its bundle."""

CANARY_WEIGHT_TAG = "canary_weight"
"""Tag of a version: the share of requests, above 0 and at most 1, that it answers as the canary."""
