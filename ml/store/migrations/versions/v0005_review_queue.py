"""Images of production that a person labels: pixels for days, how members differ, who looked."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table of pixels, and columns to predictions, feedback and review."""
    op.add_column("predictions", sa.Column("disagreement", sa.Float))
    op.add_column(
        "feedback",
        sa.Column("source", sa.String(16), nullable=False, server_default="correction"),
    )
    op.add_column("feedback", sa.Column("blinded", sa.Boolean))
    op.add_column("review", sa.Column("held_by", sa.String(200)))
    op.add_column("review", sa.Column("held_at", _TIME))
    op.add_column("review", sa.Column("skipped", sa.Integer, nullable=False, server_default="0"))
    op.add_column("review", sa.Column("revealed_at", _TIME))
    op.create_table(
        "review_images",
        sa.Column("image_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("share", sa.String(16), nullable=False),
        sa.Column("priority", sa.Float, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("checked", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("png", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_review_images"),
    )
    op.create_index("ix_review_images_until", "review_images", ["until"])
