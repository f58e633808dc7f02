"""What Prometheus may ask of the pipeline, read from what the stages left behind."""
