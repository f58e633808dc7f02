"""Errors that only the server raises: leaves of the one tree in `ml.contract.errors`."""

import math
import time

from ml.contract.errors import InputError, Refusal, Unavailable


class InvalidRequest(InputError):
    """A field of the request is missing, repeated, or holds what it must not."""

    code = "invalid-request"


class HookRefused(InputError):
    """The webhook's signature does not fit its body, or it is too old."""

    code = "hook-refused"


class NotAuthenticated(InputError):
    """The request carries no key or token that is accepted."""

    code = "not-authenticated"


class NotAllowed(InputError):
    """The key or token lacks the scope that the request needs."""

    code = "not-allowed"


class AnswerHidden(Refusal):
    """The model's answer is shown to nobody who has not answered first."""

    code = "answer-hidden"


class BodyTooLarge(InputError):
    """The request's body passed the limit while it was read."""

    code = "body-too-large"


class BodyTooSlow(InputError):
    """The request's body did not end before its deadline."""

    code = "body-too-slow"


class AskedTooSoon(Unavailable):
    """Asking again helps, but not before `retry_after` seconds."""

    code = "asked-too-soon"

    def __init__(self, message: str, *, retry_after: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class Overloaded(AskedTooSoon):
    """As many images wait as may wait."""

    code = "overloaded"


class TooManyRequests(AskedTooSoon):
    """One key or token asked more often than it may."""

    code = "too-many-requests"

    @classmethod
    def until(cls, reset: float, per_minute: int) -> "TooManyRequests":
        """Refused until a time, in seconds since 1970."""
        return cls(
            f"{per_minute} requests a minute are allowed, and were made.",
            retry_after=max(1, math.ceil(reset - time.time())),
            remedy="Try again after the time in Retry-After.",
        )


class NoModel(Unavailable):
    """No model is loaded yet."""

    code = "no-model"


class LogUnavailable(Unavailable):
    """The prediction log cannot be written, so nothing may be answered."""

    code = "log-unavailable"
