"""What can keep the local stack from running."""

from ml.contract.errors import InputError, Refusal, Unavailable


class PortTaken(InputError):
    """A port of the stack is held by another process."""

    code = "port-taken"


class StackFailed(Unavailable):
    """A part of the stack died or did not become healthy, or would not stop."""

    code = "stack-failed"


class DemoFailed(Refusal):
    """The demo came to an end without a model that is in production and answers."""

    code = "demo-failed"
