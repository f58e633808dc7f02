"""From uploads to logged answers: admission, workers, one model per request, log before answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from ml.contract.decoding import DecodeLimits
from ml.contract.errors import BundleInvalid, NotFound, VigieError
from ml.contract.records import Channel, ModelIdentity
from serving.admission import Admission
from serving.answers import Answer, Origin, Unanswered, new_id, record_of
from serving.errors import InvalidRequest
from serving.inference import Finding, examine_file, examine_tensor
from serving.metrics import ServerMetrics
from serving.model_slot import LoadedModel, ModelSlot
from serving.prediction_log import PredictionLog
from serving.review_keeper import ReviewKeeper
from serving.shadow import ShadowImage, ShadowScorer
from serving.traffic import Traffic

_logger = logging.getLogger(__name__)

ReadFile = Callable[[], bytes]
"""Reads a whole upload; may be called again."""


class PredictionService:
    """Answers images with production's model, or for its share of requests with the canary.

    Nothing is answered that is not logged. Where a canary fails by its own fault, production
    answers instead.
    """

    def __init__(
        self,
        production: ModelSlot,
        canary: ModelSlot,
        shadow: ModelSlot,
        log: PredictionLog,
        metrics: ServerMetrics,
        keeper: ReviewKeeper,
        *,
        workers: int,
        queue_limit: int,
        limits: DecodeLimits,
    ) -> None:
        self._slot = production
        self._traffic = Traffic(production, canary)
        self._log = log
        self._metrics = metrics
        self._keeper = keeper
        self._limits = limits
        self._admission = Admission(workers, queue_limit)
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        self._shadow = ShadowScorer(
            shadow,
            log,
            metrics,
            limits=limits,
            has_room=lambda: self._admission.pending < workers,
        )
        metrics.watch(
            "vigie_images_pending",
            "Images that run or wait for a worker.",
            lambda: self._admission.pending,
        )
        metrics.watch(
            "vigie_images_pending_limit",
            "Images under way at which further requests are refused.",
            lambda: self._admission.limit,
        )

    def start(self) -> None:
        """Begin to score beside the answers."""
        self._shadow.start()

    def close(self) -> None:
        """End the workers; requests must have ended before."""
        self._shadow.stop()
        self._workers.shutdown()

    async def predict(
        self,
        read: ReadFile,
        *,
        request_id: str,
        origin: Origin,
        explain: bool,
        study: str | None = None,
        review: bool = True,
    ) -> Answer:
        """Answer one image file.

        Args:
            study: the digest of what should stay with one model; without, requests are dealt out.
            review: whether its pixels may be kept for a person.

        Raises:
            Overloaded, NoModel, LogUnavailable, InputError, BundleInvalid
        """
        with self._admission.admit(1):
            _, (result,) = await self._answer_files(
                {request_id: read},
                "predict",
                origin,
                explain=explain,
                key=study or request_id,
                review=review,
            )
        if isinstance(result, Answer):
            return result
        try:
            raise result
        finally:
            del result  # or it and the file that its traceback holds would wait for the collector

    async def predict_batch(
        self, reads: Sequence[ReadFile], *, origin: Origin, study: str | None = None
    ) -> tuple[ModelIdentity, list[Answer | Unanswered]]:
        """Answer each file, or say what is wrong with it; one model answers all.

        Args:
            study: as for `predict`.

        Raises:
            Overloaded, NoModel, LogUnavailable
        """
        files = {new_id(): read for read in reads}
        with self._admission.admit(len(reads)):
            model, results = await self._answer_files(
                files, "batch_predict", origin, explain=False, key=study or new_id()
            )
        outcomes = [
            result if isinstance(result, Answer) else self._unanswered(request_id, result)
            for request_id, result in zip(files, results, strict=True)
        ]
        return model, outcomes

    async def predict_tensors(
        self, tensors: npt.NDArray[np.float32], *, version: str | None
    ) -> tuple[ModelIdentity, list[Answer]]:
        """Answer images that are model input already: (n, height, width, channels), −1…1.

        Production answers always: what a tensor must look like is a matter of its model.

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
                    self._answer(partial(examine_tensor, tensor, model.session), model, new_id())
                    for tensor in tensors
                )
            )
            await self._record(answers, "inference_protocol", Origin())
        return model.identity, answers

    async def _answer_files(
        self,
        files: Mapping[str, ReadFile],
        channel: Channel,
        origin: Origin,
        *,
        explain: bool,
        key: str,
        review: bool = True,
    ) -> tuple[ModelIdentity, list[Answer | Exception]]:
        # `files` are by request id.
        async def ask(model: LoadedModel, failed: str | None) -> list[Answer | Exception]:
            def examine(request_id: str, read: ReadFile) -> Finding:
                data = read()
                finding = examine_file(data, model.session, self._limits, explain=explain)
                if review:
                    self._keeper.offer(data, request_id, finding)
                if model.role == "production":
                    critical = model.session.bundle.policy.critical_label
                    self._shadow.offer(
                        ShadowImage(data, request_id, channel, origin, finding, critical)
                    )
                return finding

            outcomes = await asyncio.gather(
                *(
                    self._answer(partial(examine, request_id, read), model, request_id, failed)
                    for request_id, read in files.items()
                ),
                return_exceptions=True,
            )
            return [_not_cancelled(outcome) for outcome in outcomes]

        with self._traffic.lease(key) as model:
            results = await ask(model, None)
            if model.role == "canary" and any(map(_is_fault_of_model, results)):
                for request_id, result in zip(files, results, strict=True):
                    if _is_fault_of_model(result):
                        _log_fault(request_id, "with the canary", result)
                with self._slot.lease() as production:
                    results = await ask(production, model.identity.version)
                    model = production
            answers = [result for result in results if isinstance(result, Answer)]
            if answers:
                await self._record(answers, channel, origin)
        return model.identity, results

    async def _answer(
        self,
        work: Callable[[], Finding],
        model: LoadedModel,
        request_id: str,
        instead_of: str | None = None,
    ) -> Answer:
        handed_in = time.perf_counter()

        def timed() -> tuple[float, Finding]:
            return time.perf_counter() - handed_in, work()

        version = model.identity.version
        try:
            waited, finding = await asyncio.get_running_loop().run_in_executor(self._workers, timed)
        except Exception as error:
            if _is_fault_of_model(error):
                self._metrics.model_failures.labels(model.role, version).inc()
            raise
        self._admission.learn(sum(finding.seconds.values()))
        seconds = {"queue": waited, **finding.seconds}
        for stage, value in seconds.items():
            self._metrics.stage_seconds.labels(stage).observe(value)
        self._metrics.see_answer(model.role, version, seconds, stopped_early=finding.stopped_early)
        return Answer(
            request_id, model.identity, finding, seconds, role=model.role, instead_of=instead_of
        )

    def _unanswered(self, request_id: str, error: Exception) -> Unanswered:
        # The other items are answered, so that nothing else tells of this one.
        code = error.code if isinstance(error, VigieError) else "internal"
        self._metrics.problems.labels(code).inc()
        if _is_fault_of_model(error):
            _log_fault(request_id, "in a batch", error)
        return Unanswered(request_id, error)

    async def _record(self, answers: Sequence[Answer], channel: Channel, origin: Origin) -> None:
        started = time.perf_counter()
        await self._log.record([record_of(answer, channel, origin) for answer in answers])
        self._metrics.stage_seconds.labels("log").observe(time.perf_counter() - started)
        for answer in answers:
            decision = answer.finding.decision
            self._metrics.answers.labels(
                answer.model.version, decision.label, decision.action, channel, answer.role
            ).inc()


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


def _log_fault(request_id: str, where: str, error: Exception) -> None:
    _logger.error("request %s failed %s", request_id, where, exc_info=error)


def _is_fault_of_model(outcome: Answer | Exception) -> TypeGuard[Exception]:
    if isinstance(outcome, Answer):
        return False
    return isinstance(outcome, BundleInvalid) or not isinstance(outcome, VigieError)


def _not_cancelled(outcome: Answer | BaseException) -> Answer | Exception:
    if isinstance(outcome, Answer | Exception):
        return outcome
    raise outcome
