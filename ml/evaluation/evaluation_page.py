"""An evaluation in words, for the evaluation folder and MLflow."""

from ml.evaluation.markdown import interval_text, table
from ml.evaluation.results import EvaluationReport, GateDecision

_MARKS = {"pass": "pass", "refuse": "**refuse**", "insufficient": "**no evidence**"}


def render_evaluation(report: EvaluationReport, gates: GateDecision | None = None) -> str:
    """Markdown of one evaluation, with the gates once they were decided."""
    parts = ["# Evaluation", *report_sections(report)]
    if gates is not None:
        parts += _gate_sections(gates)
    return "\n\n".join(parts) + "\n"


def report_sections(report: EvaluationReport) -> list[str]:
    """The measurements as Markdown blocks, from the headline to the slices."""
    return [
        f"{report.images} images of {report.groups} patients or look-alike groups. Brackets hold "
        f"{100 * report.confidence:.0f} % intervals; groups are resampled as wholes.",
        _headline(report),
        "## Per label",
        _per_label(report),
        "## Confusion",
        _confusion(report),
        "## Calibration",
        _calibration(report),
        "## Slices",
        _slices(report),
        *(_paper(report)),
    ]


def _headline(report: EvaluationReport) -> str:
    return table(
        ("measure", "value"),
        [
            ("accuracy", interval_text(report.accuracy)),
            ("macro F1", interval_text(report.macro_f1)),
            (f"{report.critical_label} sensitivity", interval_text(report.critical_sensitivity)),
            ("calibration error", interval_text(report.calibration_error)),
            ("referred to a person", f"{report.refer_rate:.1%}"),
            ("accuracy of what is not referred", interval_text(report.accuracy_reported)),
        ],
    )


def _per_label(report: EvaluationReport) -> str:
    return table(
        ("label", "images", "sensitivity", "specificity", "precision", "AUC"),
        [
            (
                row.label,
                row.n,
                *(
                    interval_text(value)
                    for value in (row.sensitivity, row.specificity, row.precision, row.auc)
                ),
            )
            for row in report.per_label
        ],
    )


def _confusion(report: EvaluationReport) -> str:
    rows = zip(report.labels, report.confusion, strict=True)
    return table(
        ("truth ↓ / answer →", *report.labels), [(label, *counts) for label, counts in rows]
    )


def _calibration(report: EvaluationReport) -> str:
    return table(
        ("top probability", "images", "mean probability", "share right"),
        [
            (f"{b.lower:.1f}–{b.upper:.1f}", b.n, f"{b.confidence:.3f}", f"{b.accuracy:.3f}")
            for b in report.reliability
        ],
    )


def _slices(report: EvaluationReport) -> str:
    if not report.slices:
        return "The images carry no site, scanner, sex or age."
    return table(
        ("slice", "images", "accuracy", f"{report.critical_label} sensitivity"),
        [
            (
                f"{part.dimension.replace('_', ' ')}: {part.value}",
                part.n,
                *(
                    (interval_text(part.accuracy), interval_text(part.critical_sensitivity))
                    if part.state == "ok"
                    else ("too few images to judge", "too few images to judge")
                ),
            )
            for part in report.slices
        ],
    )


def _paper(report: EvaluationReport) -> list[str]:
    if not report.paper:
        return []
    return [
        "## Honest and random split",
        "Single members, trained once per split. The random split lets images of one patient "
        "stand on both sides, as many published figures do; it decides nothing here.",
        table(
            ("member", "accuracy honest", "accuracy random", "macro F1 honest", "macro F1 random"),
            [
                (
                    item.member,
                    f"{item.honest_accuracy:.3f}",
                    f"{item.paper_accuracy:.3f}",
                    f"{item.honest_macro_f1:.3f}",
                    f"{item.paper_macro_f1:.3f}",
                )
                for item in report.paper
            ],
        ),
    ]


def _gate_sections(gates: GateDecision) -> list[str]:
    verdict = "All gates passed." if gates.promote else "Refused; each reason is below."
    return [
        "## Gates",
        verdict,
        table(
            ("gate", "verdict", "evidence"),
            [
                (result.name.replace("_", " "), _MARKS[result.verdict], result.evidence)
                for result in gates.results
            ],
        ),
    ]
