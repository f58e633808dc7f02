"""Errors that only the server raises: leaves of the one tree in `ml.contract.errors`."""

from ml.contract.errors import InputError, Unavailable


class InvalidRequest(InputError):
    """A field of the request is missing, repeated, or holds what it must not."""

    code = "invalid-request"


class HookRefused(InputError):
    """The webhook's signature does not fit its body, or it is too old."""

    code = "hook-refused"


class BodyTooLarge(InputError):
    """The request's body passed the limit while it was read."""

    code = "body-too-large"


class BodyTooSlow(InputError):
    """The request's body did not end before its deadline."""

    code = "body-too-slow"


class Overloaded(Unavailable):
    """As many images wait as may wait. `retry_after` is in seconds."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class NoModel(Unavailable):
    """No model is loaded yet."""

    code = "no-model"


class LogUnavailable(Unavailable):
    """The prediction log cannot be written, so nothing may be answered."""

    code = "log-unavailable"
