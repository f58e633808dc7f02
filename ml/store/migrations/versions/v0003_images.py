"""Answers are found by their image: who asks which model read it waits for no scan."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add an index to the predictions."""
    op.create_index("ix_predictions_image_id", "predictions", ["image_id"])
