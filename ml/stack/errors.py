"""What can keep the local stack from running."""

from ml.contract.errors import InputError, Refusal, Unavailable


class PortTaken(InputError):
    """A port of the stack is held by another process."""

    code = "port-taken"


class ServiceMissing(InputError):
    """Redis or PostgreSQL, which Celery workers need, is not given."""

    code = "service-missing"


class StackFailed(Unavailable):
    """A part of the stack died or did not become healthy, or would not stop."""

    code = "stack-failed"


class DemoFailed(Refusal):
    """The demo came to an end without a model that is in production and answers."""

    code = "demo-failed"


class BackupDamaged(InputError):
    """A backup is incomplete, or a file of it was altered; nothing was touched."""

    code = "backup-damaged"


class BackupTooNew(InputError):
    """A backup was made by a newer release; nothing was touched."""

    code = "backup-too-new"


class NotEmpty(Refusal):
    """There is something where a backup was to be restored; nothing was touched."""

    code = "not-empty"
