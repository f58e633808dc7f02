"""The queues of the serving platform as a discrete-event simulation.

A proxy hands each request to the least busy replica. A replica has workers and one queue, first
come first served, and refuses at its limit as `serving.admission` does; a refused client comes
again after the Retry-After it was told, by the rules of `serving.client`. Replicas can fail, and an
autoscaler can add some. Each request brings its own draws, so two platforms can be asked by the
very same requests.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import simpy

Floats = npt.NDArray[np.float64]

_HOUR, _MINUTE, _DAY = 3600.0, 60.0, 86400.0


@dataclass(frozen=True, slots=True)
class Service:
    """How long one image takes a worker, in seconds, as measured.

    `by_busy` holds samples by the number of workers that are busy with it, itself included; beyond
    the largest key the samples of that key hold. `overhead` is what a request takes outside of the
    workers: transport, parsing, the write to the log.
    """

    by_busy: Mapping[int, Floats]
    overhead: Floats = field(default_factory=lambda: np.zeros(1))

    def drawn(self, busy: int, draws: Floats) -> list[float]:
        """For each uniform draw, that quantile of the service with this many busy workers."""
        return quantiles(self.by_busy[min(busy, max(self.by_busy))], draws)

    def mean(self, busy: int) -> float:
        """Mean seconds with this many busy workers."""
        return float(self.by_busy[min(busy, max(self.by_busy))].mean())


def quantiles(samples: Floats, draws: Floats) -> list[float]:
    """The samples at these shares (0…1) of their order."""
    ranked = np.sort(samples)
    return ranked[np.minimum(draws * len(ranked), len(ranked) - 1).astype(int)].tolist()


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """As `deploy/kubernetes/base/autoscaler.yaml`: replicas are added, at most doubled, each
    `period` seconds while more than `target` images a replica are under way; one that was added
    answers after `delay` seconds. Within minutes none is taken away."""

    largest: int
    target: float = 4.0
    period: float = 30.0
    delay: float = 60.0


@dataclass(frozen=True, slots=True)
class Failure:
    """`replicas` of them die at `at` with what they hold, and are back after `seconds`."""

    at: float
    seconds: float
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Platform:
    """`replicas` servers of `workers` workers behind one proxy; a client repeats a refused request
    at most `retries` times and waits at most `patience` seconds before each."""

    replicas: int
    workers: int
    queue_limit: int = 64
    retries: int = 3
    patience: float = 10.0
    autoscaler: Autoscaler | None = None
    failures: Sequence[Failure] = ()


@dataclass(frozen=True, slots=True)
class Requests:
    """`at` are seconds, ascending; the others are uniform draws, one a request."""

    at: Floats
    service: Floats
    overhead: Floats
    tie: Floats


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the requests, in their order; seconds are NaN where nothing was answered.

    `seconds` run from a client's first try to its answer; `tries` counts the requests it took.
    `busy_seconds` is the work that was done, `area` the integral of the images under way in
    replicas, `inside` the seconds that each answered image spent there.
    """

    seconds: Floats
    tries: npt.NDArray[np.int64]
    inside: Floats
    busy_seconds: float
    area: float
    ended: float
    replicas: int

    @property
    def answered(self) -> float:
        """Share that was answered in the end."""
        return float(np.isfinite(self.seconds).mean())

    @property
    def answered_at_once(self) -> float:
        """Share that was answered at the first try."""
        return float((np.isfinite(self.seconds) & (self.tries == 1)).mean())

    def quantile(self, share: float, within: npt.NDArray[np.bool_] | None = None) -> float:
        """Seconds within which this share of the requests is answered; infinite if it never is."""
        seconds = self.seconds if within is None else self.seconds[within]
        ranked = np.sort(np.where(np.isfinite(seconds), seconds, np.inf))
        return float(ranked[min(math.ceil(share * len(ranked)), len(ranked)) - 1])


class _Replica:
    __slots__ = ("alive", "busy", "generation", "queue")

    def __init__(self) -> None:
        self.alive = True
        self.generation = 0
        self.busy: dict[int, float] = {}  # request → seconds of its service
        self.queue: deque[int] = deque()

    @property
    def pending(self) -> int:
        return len(self.busy) + len(self.queue)


class _LeastBusy:
    # Replicas by images under way: the least busy one is found without looking at all of them.
    def __init__(self) -> None:
        self._levels: list[list[_Replica]] = [[]]
        self._places: dict[_Replica, tuple[int, int]] = {}
        self.pending = 0

    def __len__(self) -> int:
        return len(self._places)

    def enter(self, replica: _Replica) -> None:
        level = replica.pending
        while len(self._levels) <= level:
            self._levels.append([])
        self._places[replica] = (level, len(self._levels[level]))
        self._levels[level].append(replica)
        self.pending += level

    def leave(self, replica: _Replica) -> None:
        level, place = self._places.pop(replica)
        last = self._levels[level].pop()
        if last is not replica:
            self._levels[level][place] = last
            self._places[last] = (level, place)
        self.pending -= level

    def moved(self, replica: _Replica) -> None:
        self.leave(replica)
        self.enter(replica)

    def least(self, tie: float) -> _Replica | None:
        for level in self._levels:
            if level:
                return level[int(tie * len(level))]
        return None


class _Simulation:
    def __init__(self, platform: Platform, requests: Requests, service: Service) -> None:
        self._environment = simpy.Environment()
        self._platform = platform
        self._requests = requests
        self._mean = service.mean(platform.workers)
        self._taken = [
            service.drawn(busy, requests.service) for busy in range(1, platform.workers + 1)
        ]
        self._overhead = quantiles(service.overhead, requests.overhead)
        self._ties = requests.tie.tolist()
        count = len(requests.at)
        self._seconds = np.full(count, np.nan)
        self._inside = np.full(count, np.nan)
        self._entered = np.zeros(count)
        self._tries = np.zeros(count, np.int64)
        self._open = count
        self._busy_seconds = self._area = self._since = 0.0
        self._least_busy = _LeastBusy()
        self._replicas = [_Replica() for _ in range(platform.replicas)]
        for replica in self._replicas:
            self._least_busy.enter(replica)

    def run(self) -> Outcome:
        environment = self._environment
        environment.process(self._arrivals())
        for failure in self._platform.failures:
            environment.process(self._fail(failure))
        if self._platform.autoscaler is not None:
            environment.process(self._scale(self._platform.autoscaler))
        environment.run()
        return Outcome(
            seconds=self._seconds,
            tries=self._tries,
            inside=self._inside,
            busy_seconds=self._busy_seconds,
            area=self._area,
            ended=self._since,
            replicas=len(self._replicas),
        )

    def _arrivals(self):
        for number, at in enumerate(self._requests.at.tolist()):
            if at > self._environment.now:
                yield self._environment.timeout(at - self._environment.now)
            self._ask(number)

    def _ask(self, number: int) -> None:
        self._tries[number] += 1
        replica = self._least_busy.least(self._ties[number])
        if replica is None:  # the proxy finds nobody: 503 without a time to wait
            self._refuse(number, 1.0)
            return
        if replica.pending >= self._platform.workers + self._platform.queue_limit:
            wait = replica.pending * self._mean / self._platform.workers
            self._refuse(number, float(max(1, math.ceil(wait))))
            return
        self._tick()
        self._entered[number] = self._environment.now
        replica.queue.append(number)
        self._start(replica)
        self._least_busy.moved(replica)

    def _refuse(self, number: int, wait: float) -> None:
        if self._tries[number] > self._platform.retries or wait > self._platform.patience:
            self._open -= 1
            return
        self._later(wait, lambda _: self._ask(number))

    def _start(self, replica: _Replica) -> None:
        while replica.queue and len(replica.busy) < self._platform.workers:
            number = replica.queue.popleft()
            seconds = self._taken[len(replica.busy)][number]
            replica.busy[number] = seconds
            generation = replica.generation
            self._later(
                seconds,
                lambda _, number=number, generation=generation: self._end(
                    replica, number, generation
                ),
            )

    def _end(self, replica: _Replica, number: int, generation: int) -> None:
        if replica.generation != generation:
            return  # it died meanwhile
        self._tick()
        self._busy_seconds += replica.busy.pop(number)
        now = self._environment.now
        self._seconds[number] = now - self._requests.at[number] + self._overhead[number]
        self._inside[number] = now - self._entered[number]
        self._open -= 1
        self._start(replica)
        self._least_busy.moved(replica)

    def _fail(self, failure: Failure):
        yield self._environment.timeout(failure.at)
        dying = [replica for replica in self._replicas if replica.alive][: failure.replicas]
        self._tick()
        for replica in dying:
            self._least_busy.leave(replica)
            replica.alive = False
            replica.generation += 1
            # What has reached a replica is never sent again: these stay without an answer.
            self._open -= replica.pending
            replica.busy.clear()
            replica.queue.clear()
        yield self._environment.timeout(failure.seconds)
        self._tick()
        for replica in dying:
            replica.alive = True
            self._least_busy.enter(replica)

    def _scale(self, scaler: Autoscaler):
        ordered = len(self._replicas)
        while self._open:
            yield self._environment.timeout(scaler.period)
            running = max(len(self._least_busy), 1)
            wanted = math.ceil(self._least_busy.pending / scaler.target)
            if self._least_busy.pending / running <= scaler.target:
                continue
            fresh = min(wanted, 2 * ordered, scaler.largest) - ordered
            if fresh > 0:
                ordered += fresh
                self._later(scaler.delay, lambda _, fresh=fresh: self._add(fresh))

    def _add(self, count: int) -> None:
        self._tick()
        for _ in range(count):
            replica = _Replica()
            self._replicas.append(replica)
            self._least_busy.enter(replica)

    def _later(self, seconds: float, act) -> None:
        self._environment.timeout(seconds).callbacks.append(act)

    def _tick(self) -> None:
        # Before anything changes: what was under way since the last change.
        now = self._environment.now
        self._area += self._least_busy.pending * (now - self._since)
        self._since = now


def simulate(platform: Platform, requests: Requests, service: Service) -> Outcome:
    """Let the requests come, and run until each is answered or given up."""
    return _Simulation(platform, requests, service).run()


def steady_requests(rate: float, count: int, *, seed: int) -> Requests:
    """`count` Poisson arrivals at `rate` a second."""
    rng = np.random.default_rng(seed)
    return _with_draws(np.cumsum(rng.exponential(1 / rate, count)), rng)


@dataclass(frozen=True, slots=True)
class Burst:
    """The busiest hour and the busiest minute of a day, in multiples of its mean rate."""

    hour: float
    minute: float


def busy_requests(
    per_day: float, burst: Burst, *, seed: int, most: int = 40_000
) -> tuple[Requests, npt.NDArray[np.bool_]]:
    """The busiest hour with the busiest minute in its middle, and which requests are that minute's.

    Poisson arrivals. Where that were more than `most` requests, only as much of the hour around the
    minute as holds them, yet a minute before and after it.
    """
    mean = per_day / _DAY
    minute = mean * burst.minute * _MINUTE
    around = (most - minute) / (mean * burst.hour)
    around = min(max(around, 2 * _MINUTE), _HOUR - _MINUTE)
    rng = np.random.default_rng(seed)
    start, end = around / 2, around / 2 + _MINUTE
    parts = [
        _poisson(rng, mean * burst.hour, 0.0, start),
        _poisson(rng, mean * burst.minute, start, end),
        _poisson(rng, mean * burst.hour, end, around + _MINUTE),
    ]
    at = np.concatenate(parts)
    return _with_draws(at, rng), (at >= start) & (at < end)


def _poisson(rng: np.random.Generator, rate: float, start: float, end: float) -> Floats:
    return np.sort(rng.uniform(start, end, rng.poisson(rate * (end - start))))


def _with_draws(at: Floats, rng: np.random.Generator) -> Requests:
    service, overhead, tie = rng.random((3, len(at)))
    return Requests(at, service, overhead, tie)


def erlang_c_wait(rate: float, mean_service: float, servers: int) -> float:
    """Mean seconds of waiting in M/M/c.

    Raises:
        ValueError: more work comes than the servers can do.
    """
    load = rate * mean_service
    if load >= servers:
        raise ValueError(f"{load:.2f} servers' work for {servers}: the queue grows without end")
    blocking = 1.0  # Erlang B, by its recursion
    for busy in range(1, servers + 1):
        blocking = load * blocking / (busy + load * blocking)
    waiting = blocking / (1 - load / servers * (1 - blocking))
    return waiting * mean_service / (servers - load)
