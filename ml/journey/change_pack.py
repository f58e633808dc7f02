"""All that is known of one version, as one signed archive that opens without the platform."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, ConfigDict

from ml.contract.errors import NotFound
from ml.journey.gate import read_decision
from ml.journey.run import RUN_FILE, Run, database_of, tracker_of
from ml.journey.workspace import Workspace

if TYPE_CHECKING:
    from ml.contract.records import LedgerEntry
    from ml.evaluation.change_control import Act, ChangeFacts, VersionFacts
    from ml.registry.results import RegisteredVersion

LEDGER_FILE = "ledger.jsonl"
README = """\
Evidence for version {version} of {name}, made {made_at}.

change_control.md   what changed, how it was judged, what it means, who decided
model_card.md       the model;  dataset_card.md: the data;  gate.md: every gate with its bound
evidence.json, gate.json, blessing.json, run.json, bundle.json: the same for machines
ledger.jsonl        the whole ledger; each line holds the hash of the one before
sbom.cdx.json       the software and its licences (CycloneDX 1.6)

Nothing here is needed from the platform to check it:

    sha256sum --check SHA256SUMS
    openssl pkeyutl -verify -pubin -inkey public_key.pem -rawin \\
        -in SHA256SUMS -sigfile SHA256SUMS.sig

The key's fingerprint, to be compared with one that you got another way:
{fingerprint}

Not for clinical use. No images and no names of patients are in it.
"""


class ChangePack(BaseModel):
    """A written archive. `signer` is the fingerprint of the key that signed it."""

    model_config = ConfigDict(frozen=True)

    path: str
    version: str
    files: list[str]
    signer: str


def export_pack(workspace: Workspace, number: str, target: Path) -> ChangePack:
    """Write the evidence of a version.

    Args:
        number: of the version in the registry.
        target: the archive, a `.zip`; replaced if it is there.

    Raises:
        NotFound: no such version, or the files of its run are not on this machine.
        LedgerBroken: the ledger does not hold.
    """
    from ml.evaluation.change_control import render_change
    from ml.packaging.sbom import bill_of_materials
    from ml.packaging.signed_archive import fingerprint, signing_key, write_archive
    from ml.registry.models import version_by_number
    from ml.store.ledger import read
    from ml.store.ledger_chain import check_chain, to_lines

    version = version_by_number(tracker_of(workspace), number)
    run = Run.open(workspace, version.run_key)
    entries = read(database_of(workspace))
    check_chain(entries)
    key = signing_key(workspace.signing_key_file)
    made_at = datetime.now(UTC).replace(microsecond=0)
    serial = uuid5(NAMESPACE_URL, f"vigie/{version.bundle_sha256}/{made_at.isoformat()}")
    texts = {
        "README.txt": README.format(
            name=version.name,
            version=version.version,
            made_at=f"{made_at:%Y-%m-%d %H:%M} UTC",
            fingerprint=fingerprint(key.public_key()),
        ),
        "change_control.md": render_change(_facts(workspace, version, run, entries, made_at)),
        LEDGER_FILE: to_lines(entries),
        "sbom.cdx.json": bill_of_materials(at=made_at, serial=serial),
    }
    files = {name: text.encode() for name, text in texts.items()} | _files_of(run)
    write_archive(target, files, key)
    return ChangePack(
        path=str(target),
        version=version.version,
        files=sorted(files),
        signer=fingerprint(key.public_key()),
    )


def check_pack(path: Path, *, signer: str | None = None) -> int:
    """Check an archive's signature and its ledger, without any database; number of its lines.

    Raises:
        ArchiveBroken: it is damaged, changed, or signed by another than `signer`.
        LedgerBroken: the ledger in it does not hold.
    """
    from ml.packaging.signed_archive import ArchiveBroken, read_archive
    from ml.store.ledger_chain import from_lines

    files = read_archive(path, signer=signer)
    if LEDGER_FILE not in files:
        raise ArchiveBroken(f"{path.name} holds no ledger.")
    return len(from_lines(files[LEDGER_FILE].decode()))


def _files_of(run: Run) -> dict[str, bytes]:
    found = {
        path.name: path
        for path in (
            run.evaluation / "model_card.md",
            run.evaluation / "dataset_card.md",
            run.evaluation / "evidence.json",
            run.decision,
            run.decision_page,
            run.blessing,
            run.folder / RUN_FILE,
            run.bundle / "bundle.json",
        )
    }
    missing = [name for name, path in found.items() if not path.is_file()]
    if missing:
        raise NotFound(
            f"The run {run.info.run_key} has no {', '.join(missing)}.",
            remedy="Export where it was trained, after it was registered.",
        )
    return {name: path.read_bytes() for name, path in found.items()}


def _facts(
    workspace: Workspace,
    version: "RegisteredVersion",
    run: Run,
    entries: "list[LedgerEntry]",
    made_at: datetime,
) -> "ChangeFacts":
    from ml.evaluation.change_control import ChangeFacts
    from ml.params.rows import parameter_rows

    before = run.info.incumbent_run_key
    subjects = {f"{version.name}/{version.version}", version.run_key}
    return ChangeFacts(
        made_at=made_at,
        after=_version_facts(workspace, run, version.version),
        before=_before(workspace, before, run.info.incumbent_version) if before else None,
        protocol=parameter_rows(run.params.gates),
        decision=read_decision(run),
        acts=[_act(entry) for entry in entries if entry.subject in subjects],
    )


def _before(workspace: Workspace, run_key: str, number: str | None) -> "VersionFacts | None":
    try:
        run = Run.open(workspace, run_key)
    except NotFound:
        return None  # trained elsewhere: the ledger still names it
    return _version_facts(workspace, run, number or "unknown")


def _version_facts(workspace: Workspace, run: Run, number: str) -> "VersionFacts":
    from ml.contract.bundle import bundle_sha256
    from ml.data.dataset import read_info
    from ml.evaluation.change_control import VersionFacts
    from ml.params.rows import parameter_rows

    dataset = read_info(workspace.datasets, run.info.dataset_id)
    return VersionFacts(
        version=number,
        bundle_sha256=bundle_sha256(run.bundle),
        dataset_id=dataset.dataset_id,
        images=dataset.images,
        groups=dataset.groups,
        git_commit=run.info.git_commit,
        reason=run.info.reason,
        params=parameter_rows(run.params),
    )


def _act(entry: "LedgerEntry") -> "Act":
    from ml.evaluation.change_control import Act

    return Act(
        sequence=entry.sequence,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        reason=entry.reason,
    )
