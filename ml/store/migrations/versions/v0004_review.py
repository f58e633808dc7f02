"""Labels that a person should look at, and what was decided."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "review",
        sa.Column("review_id", sa.String(16), nullable=False),
        sa.Column("image_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("label", sa.String(100)),
        sa.Column("decided_by", sa.String(200)),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("review_id", name="pk_review"),
    )
    op.create_index("ix_review_image_id", "review", ["image_id"])
    op.create_index("ix_review_state_since", "review", ["state", "since"])
