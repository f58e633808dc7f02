"""Does what is served answer like the model that was trained, fast and within its memory?"""

from ml.evaluation.evidence import BlessingEvidence
from ml.evaluation.gate_results import GateResult, IncumbentComparison, ParityEvidence
from ml.evaluation.verdicts import at_most, missing, sign
from ml.params import GateParams


def parity_gates(parity: ParityEvidence | None, params: GateParams) -> list[GateResult]:
    """Label flips and critical sensitivity lost, served against float."""
    names = ("parity_labels", "parity_critical_sensitivity")
    if parity is None:
        why = "the served model was not compared with the float model"
        return [missing(name, why) for name in names]
    flips, loss = parity.flip_rate, parity.critical_sensitivity_loss
    most_flips, most_loss = params.max_flip_rate, params.max_critical_sensitivity_loss
    return [
        at_most(
            names[0],
            flips,
            most_flips,
            f"{flips:.2%} of {parity.n} answers differ between served and float model "
            f"{sign(flips <= most_flips, '≤')} {most_flips:.2%}",
        ),
        at_most(
            names[1],
            loss,
            most_loss,
            f"critical sensitivity lost by serving instead of float {loss:.3f} "
            f"{sign(loss <= most_loss, '≤')} {most_loss:.3f}",
        ),
    ]


def rollback_gate(
    blessing: BlessingEvidence | None, incumbent: IncumbentComparison | None, params: GateParams
) -> GateResult:
    """The way back to the model in production, walked on the real server."""
    if incumbent is None:
        return missing("rollback", "it is not known what is in production")
    version, limit = incumbent.incumbent, params.rollback_seconds
    if version is None:
        return at_most("rollback", 0.0, limit, "nothing is in production to go back to")
    seconds = blessing.rollback_seconds if blessing else None
    if seconds is None:
        return missing("rollback", f"going back to version {version} was not tried")
    return at_most(
        "rollback",
        seconds,
        limit,
        f"a running server was on version {version} and on this model again after at most "
        f"{seconds:.1f} s each {sign(seconds <= limit, '≤')} {limit:g} s",
    )


def blessing_gates(blessing: BlessingEvidence | None, params: GateParams) -> list[GateResult]:
    """The replay on a real server, its latency, load time and memory."""
    names = ("blessing", "latency", "load_time", "memory")
    if blessing is None:
        return [missing(name, "no server was started on this model") for name in names]
    failed = "; ".join(blessing.failures) or "no reason was recorded"
    return [
        at_most(
            names[0],
            0.0 if blessing.passed else 1.0,
            0.0,
            "a real server answered all golden and hostile requests as it must"
            if blessing.passed
            else f"a real server failed: {failed}",
        ),
        *(
            at_most(
                name,
                value,
                ceiling,
                f"{what} {value:,.0f} {unit} {sign(value <= ceiling, '≤')} {ceiling:,.0f} {unit}",
            )
            for name, what, value, ceiling, unit in (
                (names[1], "99 % of answers within", blessing.p99_ms, params.latency_p99_ms, "ms"),
                (names[2], "ready after", blessing.load_seconds, params.load_seconds, "s"),
                (names[3], "memory in use", blessing.rss_mb, params.max_memory_mb, "MB"),
            )
        ),
    ]
