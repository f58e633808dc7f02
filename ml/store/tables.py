"""The tables. Every change here needs a migration beside it; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored and returned in UTC; SQLite itself knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a naive time is refused, since nobody can say later when it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without time zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

# Plain JSON rather than JSONB: it keeps the order of labels and the text of numbers.
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("request_id", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("image_id", String(64), nullable=False),
    Column("model_name", String(200), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("model_bundle", String(64), nullable=False),
    Column("label", String(100), nullable=False),
    Column("action", String(16), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("probabilities", JSON, nullable=False),
    Column("embedding", JSON, nullable=False),
    Column("statistics", JSON, nullable=False),
    Column("site", String(200)),
    Column("scanner", String(200)),
    Column("total_ms", Float, nullable=False),
    Column("role", String(16), nullable=False, server_default="production"),
    Column("shadow_of", String(64)),
    Column("instead_of", String(64)),
    Column("disagreement", Float),
    Index(None, "at"),
    Index(None, "model_version", "at"),
    Index(None, "shadow_of"),
    Index(None, "image_id"),
)

# No foreign key: a correction may be stored before the prediction it speaks of is flushed.
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("feedback_id", String(64), primary_key=True),
    Column("request_id", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("label", String(100), nullable=False),
    Column("author", String(200), nullable=False),
    Column("comment", Text, nullable=False),
    Column("source", String(16), nullable=False, server_default="correction"),
    Column("blinded", Boolean),
    Index(None, "request_id"),
    Index(None, "at"),
)

REVIEW = Table(
    "review",
    METADATA,
    Column("review_id", String(16), primary_key=True),
    Column("image_id", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("label", String(100)),
    Column("decided_by", String(200)),
    Column("decided_at", UtcDateTime),
    Column("reason", Text, nullable=False),
    Column("held_by", String(200)),
    Column("held_at", UtcDateTime),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("revealed_at", UtcDateTime),
    Index(None, "image_id"),
    Index(None, "state", "since"),
)

# Pixels, bounded and for days only: see docs/adr/0021.
REVIEW_IMAGES = Table(
    "review_images",
    METADATA,
    Column("image_id", String(64), primary_key=True),
    Column("request_id", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("share", String(16), nullable=False),
    Column("priority", Float, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("checked", Boolean, nullable=False, server_default=false()),
    Column("png", LargeBinary, nullable=False),
    Index(None, "until"),
)

LEDGER = Table(
    "ledger",
    METADATA,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(500), nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("entry_hash", String(64), nullable=False),
)
