"""The measurements of a report as Markdown blocks: tables, and the figures beside them."""

from itertools import chain

from ml.evaluation.markdown import interval_text, table
from ml.evaluation.results import ConformalReport, EvaluationReport


def report_sections(report: EvaluationReport, *, figures: bool = False) -> list[str]:
    """The measurements as Markdown blocks, from the headline to the slices.

    Args:
        figures: whether the blocks name the files of `figures.draw_figures`.
    """
    sections: list[tuple[str, list[str], list[str]]] = [
        (
            "Per label",
            [_per_label(report), _ranking(report)],
            [
                _figures(
                    "Dots: where the decision rule works. Dotted lines: the share of images that "
                    "have the label, which is the precision of guessing.",
                    "roc.png",
                    "precision_recall.png",
                )
            ],
        ),
        ("Confusion", [_confusion(report)], [_figures("", "confusion.png")]),
        (
            "Calibration",
            [_calibration(report)],
            [
                _figures(
                    "Above the diagonal the model is better than it says. In the histograms, "
                    f"images right of the line are answered {report.critical_label}; counts are on "
                    "a logarithmic scale.",
                    "reliability.png",
                    "critical_probability.png",
                )
            ],
        ),
        (
            "Referring",
            [_referring(report)],
            [
                _figures(
                    "The dot, with its interval, is the band that refers to a person. It refers "
                    f"close to the {report.critical_label} threshold too, so it need not lie on "
                    "the curve.",
                    "selective_risk.png",
                )
            ],
        ),
        ("Prediction sets", _prediction_sets(report.conformal), []),
        (
            "Slices",
            [_slices(report)],
            [_figures("The dashed line is the estimate on all images.", "slices.png")],
        ),
    ]
    head = (
        f"{report.images} images of {report.groups} patients or look-alike groups. Brackets hold "
        f"{100 * report.confidence:.0f} % intervals; groups are resampled as wholes."
    )
    blocks = [
        [f"## {title}", *texts, *(drawn if figures else [])] for title, texts, drawn in sections
    ]
    return [head, headline_table(report), *chain(*blocks), *_paper(report)]


def learning_curves() -> str:
    """The figure of the members' epochs, with its words."""
    return _figures(
        "Training loss includes class weights and regularisation, so it is not on the scale of "
        "the validation loss.",
        "learning_curves.png",
    )


def _figures(caption: str, *files: str) -> str:
    images = " ".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in files)
    return images + (f"\n\n*{caption}*" if caption else "")


def headline_table(report: EvaluationReport) -> str:
    """The numbers that a reader wants first."""
    return table(
        ("measure", "value"),
        [
            ("accuracy", interval_text(report.accuracy)),
            ("macro F1", interval_text(report.macro_f1)),
            (f"{report.critical_label} sensitivity", interval_text(report.critical_sensitivity)),
            (
                f"{report.critical_label} sensitivity at specificity {report.specificity:.2f}",
                interval_text(report.sensitivity_at_specificity),
            ),
            ("calibration error", interval_text(report.calibration_error)),
            ("referred to a person", f"{report.refer_rate:.1%}"),
            ("accuracy of what is not referred", interval_text(report.accuracy_reported)),
        ],
    )


def _per_label(report: EvaluationReport) -> str:
    return table(
        ("label", "images", "sensitivity", "specificity", "precision"),
        [
            (
                row.label,
                row.n,
                interval_text(row.sensitivity),
                interval_text(row.specificity),
                interval_text(row.precision),
            )
            for row in report.per_label
        ],
    )


def _ranking(report: EvaluationReport) -> str:
    return table(
        ("label against the others", "AUC", "average precision"),
        [
            (row.label, interval_text(row.auc), interval_text(row.average_precision))
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


def _referring(report: EvaluationReport) -> str:
    return table(
        ("measure", "value"),
        [
            ("referred to a person", f"{report.refer_rate:.1%}"),
            ("accuracy of what is not referred", interval_text(report.accuracy_reported)),
            ("mean risk over all coverages", f"{report.selective.area:.4f}"),
        ],
    )


def _prediction_sets(report: ConformalReport | None) -> list[str]:
    if report is None:
        return ["The decision rule makes none."]
    return [
        f"Split conformal, per class: a set should miss the true label at most at rate "
        f"{report.error:g}. {report.mean_set_size:.2f} labels on average, {report.singles:.1%} of "
        f"the sets with one label, {report.empty:.1%} with none.",
        table(
            ("label", "images", "true label in the set"),
            [
                *(
                    (
                        row.label,
                        row.n,
                        interval_text(row.coverage)
                        if row.calibrated
                        else "in every set: too few validation images",
                    )
                    for row in report.per_label
                ),
                ("all", report.coverage.n, interval_text(report.coverage)),
            ],
        ),
    ]


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
