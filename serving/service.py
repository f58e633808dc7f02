"""From uploads to logged answers: admission, workers, one model per request, log before answer."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
import numpy.typing as npt

from ml.contract.decoding import DecodeLimits
from ml.contract.errors import NotFound
from ml.contract.records import Channel, ModelIdentity, PredictionRecord
from serving.admission import Admission
from serving.errors import InvalidRequest
from serving.inference import Finding, examine_file, examine_tensor
from serving.metrics import ServerMetrics
from serving.model_slot import LoadedModel, ModelSlot
from serving.prediction_log import PredictionLog

ReadFile = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an image comes from, as far as the client says so."""

    site: str | None = None
    scanner: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One finding, the model it came from, and the id under which it is in the log."""

    request_id: str
    model: ModelIdentity
    finding: Finding
    seconds: dict[str, float]


class PredictionService:
    """Answers images with the model in the slot. Nothing is answered that is not logged."""

    def __init__(
        self,
        slot: ModelSlot,
        log: PredictionLog,
        metrics: ServerMetrics,
        *,
        workers: int,
        queue_limit: int,
        limits: DecodeLimits,
    ) -> None:
        self._slot = slot
        self._log = log
        self._metrics = metrics
        self._limits = limits
        self._admission = Admission(workers, queue_limit)
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        metrics.watch(
            "vigie_images_pending",
            "Images that run or wait for a worker.",
            lambda: self._admission.pending,
        )

    def close(self) -> None:
        """End the workers; requests must have ended before."""
        self._workers.shutdown()

    async def predict(
        self, read: ReadFile, *, request_id: str, origin: Origin, explain: bool
    ) -> Answer:
        """Answer one image file.

        Raises:
            Overloaded, NoModel, LogUnavailable, InputError, BundleInvalid
        """
        with self._admission.admit(1), self._slot.lease() as model:
            work = partial(self._examine_file, model, read, explain)
            answer = await self._answer(work, model.identity, request_id)
            await self._record([answer], "predict", origin)
        return answer

    async def predict_batch(
        self, reads: Sequence[ReadFile], *, origin: Origin
    ) -> tuple[ModelIdentity, list[Answer | Exception]]:
        """Answer each file, or say what is wrong with it; one model answers all.

        Raises:
            Overloaded, NoModel, LogUnavailable
        """
        with self._admission.admit(len(reads)), self._slot.lease() as model:
            outcomes = await asyncio.gather(
                *(
                    self._answer(
                        partial(self._examine_file, model, read, False), model.identity, new_id()
                    )
                    for read in reads
                ),
                return_exceptions=True,
            )
            results = [_not_cancelled(outcome) for outcome in outcomes]
            answers = [result for result in results if isinstance(result, Answer)]
            if answers:
                await self._record(answers, "batch_predict", origin)
        return model.identity, results

    async def predict_tensors(
        self, tensors: npt.NDArray[np.float32], *, version: str | None
    ) -> tuple[ModelIdentity, list[Answer]]:
        """Answer images that are model input already: (n, height, width, channels), −1…1.

        Args:
            version: the only version that may answer; None for the current one.

        Raises:
            Overloaded, NoModel, LogUnavailable, BundleInvalid
            NotFound: another version answers.
            InvalidRequest: the tensor is not of the model's input shape.
        """
        with self._admission.admit(len(tensors)), self._slot.lease() as model:
            _check_fit(tensors, version, model)
            answers = await asyncio.gather(
                *(
                    self._answer(
                        partial(examine_tensor, tensor, model.session), model.identity, new_id()
                    )
                    for tensor in tensors
                )
            )
            await self._record(answers, "inference_protocol", Origin())
        return model.identity, answers

    def _examine_file(self, model: LoadedModel, read: ReadFile, explain: bool) -> Finding:
        return examine_file(read(), model.session, self._limits, explain=explain)

    async def _answer(
        self, work: Callable[[], Finding], model: ModelIdentity, request_id: str
    ) -> Answer:
        handed_in = time.perf_counter()

        def timed() -> tuple[float, Finding]:
            return time.perf_counter() - handed_in, work()

        waited, finding = await asyncio.get_running_loop().run_in_executor(self._workers, timed)
        self._admission.learn(sum(finding.seconds.values()))
        seconds = {"queue": waited, **finding.seconds}
        for stage, value in seconds.items():
            self._metrics.stage_seconds.labels(stage).observe(value)
        return Answer(request_id, model, finding, seconds)

    async def _record(self, answers: Sequence[Answer], channel: Channel, origin: Origin) -> None:
        started = time.perf_counter()
        await self._log.record([_record_of(answer, channel, origin) for answer in answers])
        self._metrics.stage_seconds.labels("log").observe(time.perf_counter() - started)
        for answer in answers:
            decision = answer.finding.decision
            self._metrics.answers.labels(
                answer.model.version, decision.label, decision.action, channel
            ).inc()


def new_id() -> str:
    """An id that no other request has."""
    return uuid.uuid4().hex


def _check_fit(tensors: npt.NDArray[np.float32], version: str | None, model: LoadedModel) -> None:
    if version not in (None, model.identity.version):
        raise NotFound(
            f"Version {version} is not loaded.",
            remedy=f"Ask for version {model.identity.version}, or name none.",
        )
    spec = model.session.bundle.input
    shape = (spec.height, spec.width, spec.channels)
    if tensors.shape[1:] != shape:
        raise InvalidRequest(
            f"The tensor's shape is {list(tensors.shape)}; the model takes [n, "
            f"{', '.join(map(str, shape))}].",
            remedy="See GET /v2/models/{name}.",
        )


def _record_of(answer: Answer, channel: Channel, origin: Origin) -> PredictionRecord:
    finding = answer.finding
    return PredictionRecord(
        request_id=answer.request_id,
        at=datetime.now(UTC),
        channel=channel,
        image_id=finding.image_id,
        model=answer.model,
        label=finding.decision.label,
        action=finding.decision.action,
        reasons=finding.decision.reasons,
        probabilities=finding.probabilities,
        embedding=finding.embedding,
        statistics=finding.statistics,
        site=origin.site,
        scanner=origin.scanner,
        total_ms=sum(answer.seconds.values()) * 1e3,
    )


def _not_cancelled(outcome: Answer | BaseException) -> Answer | Exception:
    if isinstance(outcome, Answer | Exception):
        return outcome
    raise outcome
