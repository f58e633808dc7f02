"""Stage 10, in words: the model card of the registered version."""

from typing import TYPE_CHECKING

from ml.journey.evaluate import read_evidence
from ml.journey.gate import read_blessing, read_decision
from ml.journey.model_card import read_facts
from ml.journey.run import Run, tracker_of
from ml.journey.run_page import describe
from ml.journey.workspace import Workspace
from ml.params.rows import parameter_rows
from ml.registry.results import RegisteredVersion

if TYPE_CHECKING:
    from ml.evaluation.release_card import ReleaseFacts

_CARD, _PAGE, _DATASET_CARD = "model_card.md", "model_card.html", "dataset_card.md"


def publish_card(workspace: Workspace, run: Run, version: RegisteredVersion) -> None:
    """Write the version's card as Markdown and as one HTML file, and log both.

    They lie among the evaluation's files, whose figures they show. The sealed card in the bundle
    stays as it is.

    Raises:
        NotFound: the run's bundle was sealed by other code.
    """
    from ml.evaluation.html_page import render_html
    from ml.evaluation.release_card import render_release_card

    facts = _facts(workspace, run, version)
    words = render_release_card(facts)
    folder = run.evaluation
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CARD).write_text(words)
    title = f"Model card: {version.name} version {version.version}"
    (folder / _PAGE).write_text(render_html(title, words, folder))
    (folder / _DATASET_CARD).write_bytes(
        (workspace.datasets / run.info.dataset_id / "card.md").read_bytes()
    )
    tracker = tracker_of(workspace)
    tracker.log_files(run.info.mlflow_run_id, [folder / _PAGE])
    tracker.log_files(
        run.info.mlflow_run_id, [folder / _CARD, folder / _DATASET_CARD], "evaluation"
    )
    describe(workspace, run, facts.test, facts.decision, version)


def _facts(workspace: Workspace, run: Run, version: RegisteredVersion) -> "ReleaseFacts":
    from ml.data.dataset import read_info
    from ml.evaluation.release_card import ReleaseFacts

    evidence = read_evidence(run)
    leak = read_info(workspace.datasets, run.info.dataset_id).leak
    return ReleaseFacts(
        version=version.version,
        bundle_sha256=version.bundle_sha256,
        sealed=read_facts(run),
        profile=run.params.profile,
        params_sha256=run.params.sha256,
        lock_sha256=run.info.lock_sha256,
        training=parameter_rows(run.params.training),
        leak={
            "groups in more than one split": leak.cross_split_groups,
            "images stored more than once": leak.exact_copies,
            "near-duplicate pairs": leak.near_duplicate_pairs,
            "near-duplicate groups with different labels": leak.conflicting_groups,
        },
        test=evidence.report if evidence else None,
        parity=evidence.parity if evidence else None,
        incumbent=evidence.incumbent if evidence else None,
        serving=_serving(run),
        decision=read_decision(run),
    )


def _serving(run: Run) -> dict[str, str]:
    blessing = read_blessing(run)
    if blessing is None:
        return {}
    return {
        "golden and hostile requests": "answered as they must be"
        if blessing.passed
        else "; ".join(blessing.failures),
        "time to load": f"{blessing.load_seconds:.1f} s",
        "99th percentile of answers": f"{blessing.p99_ms:.0f} ms",
        "memory": f"{blessing.rss_mb:.0f} MB",
        **(
            {
                f"back to version {blessing.rollback.version}": (
                    f"{blessing.rollback.back_seconds:.1f} s, and forth "
                    f"{blessing.rollback.forth_seconds:.1f} s"
                )
            }
            if blessing.rollback
            else {}
        ),
    }
