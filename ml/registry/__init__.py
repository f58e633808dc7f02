"""The only pipeline code that talks to MLflow, and the promotions that move its aliases."""
