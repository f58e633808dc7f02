"""The queue model keeps the laws that every queue keeps, and the rules of the real server."""

import contextlib
import sys
from contextlib import ExitStack

import numpy as np
import pytest

from ml.settings import PROJECT_ROOT
from serving.admission import Admission
from serving.errors import Overloaded

sys.path.insert(0, str(PROJECT_ROOT / "benchmarks"))
from capacity_limits import Assumptions
from capacity_simulation import (
    Autoscaler,
    Burst,
    Failure,
    Platform,
    Requests,
    Service,
    busy_requests,
    erlang_c_wait,
    simulate,
    steady_requests,
)

UNBOUNDED = 10**9
MEAN = 0.1
SHARES = (np.arange(10_000) + 0.5) / 10_000
EXPONENTIAL = Service({1: -np.log1p(-SHARES) * MEAN})
CONSTANT = Service({1: np.array([MEAN])})


def at_once(count: int) -> Requests:
    nothing = np.zeros(count)
    return Requests(nothing, nothing, nothing, nothing)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (4, 0.8), (2, 0.7)])
def test_waiting_is_that_of_erlang_c(servers: int, load: float):
    rate = servers * load / MEAN
    requests = steady_requests(rate, 12_000, seed=3)
    outcome = simulate(Platform(1, servers, queue_limit=UNBOUNDED), requests, EXPONENTIAL)
    waited = float(outcome.inside.mean()) - MEAN
    assert waited == pytest.approx(erlang_c_wait(rate, MEAN, servers), rel=0.2)


def test_constant_service_waits_half_as_long_as_random_service():
    """Pollaczek and Khinchine: M/D/1 against M/M/1."""
    rate = 0.8 / MEAN
    requests = steady_requests(rate, 12_000, seed=3)
    outcome = simulate(Platform(1, 1, queue_limit=UNBOUNDED), requests, CONSTANT)
    waited = float(outcome.inside.mean()) - MEAN
    assert waited == pytest.approx(erlang_c_wait(rate, MEAN, 1) / 2, rel=0.15)


def test_erlang_c_refuses_a_queue_without_end():
    with pytest.raises(ValueError, match="without end"):
        erlang_c_wait(11.0, MEAN, 1)


@pytest.mark.parametrize("seed", range(3))
def test_images_under_way_are_littles(seed: int):
    requests = steady_requests(50.0, 2000, seed=seed)
    outcome = simulate(Platform(3, 2), requests, EXPONENTIAL)
    assert outcome.answered == 1.0
    assert outcome.area == pytest.approx(float(outcome.inside.sum()))


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_work_is_neither_made_nor_lost(replicas: int):
    requests = steady_requests(8.0 * replicas, 3000, seed=1)
    outcome = simulate(Platform(replicas, 1, queue_limit=UNBOUNDED), requests, CONSTANT)
    assert outcome.busy_seconds == pytest.approx(3000 * MEAN)
    assert outcome.ended >= 3000 * MEAN / replicas


@pytest.mark.parametrize("service", [CONSTANT, EXPONENTIAL], ids=["constant", "exponential"])
@pytest.mark.parametrize("seed", range(3))
def test_more_replicas_never_make_the_same_requests_wait_longer(service: Service, seed: int):
    requests = steady_requests(30.0, 1500, seed=seed)
    p99 = [
        simulate(Platform(count, 1, queue_limit=UNBOUNDED), requests, service).quantile(0.99)
        for count in (2, 3, 4, 8, 20)
    ]
    assert p99 == sorted(p99, reverse=True)
    assert p99[-1] < p99[0] / 5


def test_a_replica_admits_as_many_as_the_real_server():
    workers, limit = 2, 5
    admission = Admission(workers, limit)
    admitted = 0
    with ExitStack() as under_way, contextlib.suppress(Overloaded):
        while True:
            under_way.enter_context(admission.admit(1))
            admitted += 1
    platform = Platform(1, workers, queue_limit=limit, retries=0)
    outcome = simulate(platform, at_once(admitted + 3), CONSTANT)
    assert np.isfinite(outcome.seconds).sum() == admitted


def test_a_refused_client_comes_back_after_the_time_it_was_told():
    platform = Platform(1, 1, queue_limit=0)
    outcome = simulate(platform, at_once(2), CONSTANT)
    assert outcome.tries.tolist() == [1, 2]
    assert outcome.seconds.tolist() == pytest.approx([MEAN, 1.0 + MEAN])
    assert (outcome.answered, outcome.answered_at_once) == (1.0, 0.5)


def test_what_a_dying_replica_holds_is_lost_and_the_other_goes_on():
    platform = Platform(2, 1, failures=[Failure(at=MEAN / 2, seconds=10.0)])
    outcome = simulate(platform, at_once(6), CONSTANT)
    assert outcome.answered == 0.5
    assert outcome.quantile(0.99) == float("inf")


def test_the_only_replica_is_waited_for():
    platform = Platform(1, 1, failures=[Failure(at=0.01, seconds=1.2)])
    requests = Requests(np.array([0.0, 0.5]), *np.zeros((3, 2)))
    outcome = simulate(platform, requests, CONSTANT)
    assert np.isfinite(outcome.seconds).tolist() == [False, True]
    assert outcome.tries[1] == 2  # at 0.5 nobody was there, at 1.5 somebody was


def test_the_autoscaler_answers_what_one_replica_could_not():
    requests = steady_requests(30.0, 1500, seed=2)
    alone = simulate(Platform(1, 1), requests, CONSTANT)
    scaler = Autoscaler(largest=8, period=5.0, delay=5.0)
    scaled = simulate(Platform(1, 1, autoscaler=scaler), requests, CONSTANT)
    assert 1 < scaled.replicas <= 8
    assert scaled.answered > alone.answered


def test_the_busiest_minute_has_its_share_of_the_day():
    requests, busiest = busy_requests(100_000, Burst(hour=3, minute=20), seed=1)
    assert busiest.sum() == pytest.approx(100_000 / 86400 * 20 * 60, rel=0.1)
    assert np.ptp(requests.at[busiest]) == pytest.approx(60, abs=1)
    assert (np.diff(requests.at) >= 0).all()


def test_the_steps_that_are_assumed_go_from_the_first_version_to_a_continent():
    steps = Assumptions.read(PROJECT_ROOT / "benchmarks" / "capacity.toml").steps
    assert [step.per_day for step in steps] == [1e4, 1e4, 1e5, 1e6, 1e7, 1e8]
