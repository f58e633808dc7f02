"""What the client raises: the server's problem documents, by what a caller can do about them."""

from ml.contract.errors import InputError, Unavailable, VigieError
from serving.schemas import Problem


class ServerProblem(VigieError):
    """The server answered with a problem document."""

    code = "server-problem"

    def __init__(self, problem: Problem) -> None:
        super().__init__(
            f"{problem.title}: {problem.detail}",
            remedy=problem.remedy,
            details=problem.model_dump(include={"field", "request_id"}, exclude_none=True),
        )
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def title(self) -> str:
        """The kind of problem in words; `problem.type` is the same for machines."""
        return self.problem.title


class RequestRefused(ServerProblem, InputError):
    """4xx: the same request would be refused again."""

    code = "request-refused"


class ServerBusy(ServerProblem, Unavailable):
    """429 or 503: nothing was answered, and later it may be.

    `retry_after` is in seconds, None where the server does not say.
    """

    code = "server-busy"

    def __init__(self, problem: Problem, retry_after: float | None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class ServerFailed(ServerProblem):
    """Another 5xx: the server made a mistake, or something between it and the client did."""

    code = "server-failed"


class NoAnswer(Unavailable):
    """No connection, or no answer in time. The request may have been carried out all the same,
    unless the cause (`__cause__`) is that no connection was made."""

    code = "no-answer"


class AnswerInvalid(VigieError):
    """The answer does not have the form that this client knows."""

    code = "answer-invalid"
