"""Which role the answering model had, for comparing a canary or a shadow with production.

Rows from before are production's: there was no other role.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add three columns to the predictions."""
    op.add_column(
        "predictions",
        sa.Column("role", sa.String(16), nullable=False, server_default="production"),
    )
    op.add_column("predictions", sa.Column("shadow_of", sa.String(64)))
    op.add_column("predictions", sa.Column("instead_of", sa.String(64)))
    op.create_index("ix_predictions_shadow_of", "predictions", ["shadow_of"])
