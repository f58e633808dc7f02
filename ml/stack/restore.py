"""Restore a backup into an installation that has nothing yet; it never overwrites."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ml.contract.errors import InvalidParams
from ml.data.storage import room_for
from ml.registry.relocate import move_artifacts
from ml.stack.backup import fingerprint
from ml.stack.backup_folder import BackupFolder, stamp
from ml.stack.backup_manifest import KeptFile, Manifest
from ml.stack.errors import BackupTooNew, NotEmpty
from ml.stack.installation import Installation
from ml.store.dump import is_empty, kind_of, load
from ml.store.migrate import knows

_KEYS_ARE_APART = (
    "Name their folder with --secrets. Or say --without-secrets, and put them into "
    "VIGIE_HOME/secrets before anything is started: with another key known patients would be "
    "taken for new ones."
)


class Restored(BaseModel):
    """A backup as it was checked or restored."""

    model_config = ConfigDict(frozen=True)

    backup: str
    made_at: str
    releases: dict[str, str]
    files: int
    databases: dict[str, str | None]
    left_out: list[str]


def check_backup(source: Path, at: str | None = None) -> Restored:
    """Read all of a backup, and touch nothing.

    Args:
        at: the beginning of a backup's name; the newest if None.

    Raises:
        NotFound, BackupDamaged, BackupTooNew: see `restore`.
    """
    folder = BackupFolder(source)
    manifest = _checked(folder, at)
    return _told(manifest)


def restore(
    installation: Installation,
    source: Path,
    *,
    at: str | None = None,
    keys: Path | None = None,
    without_keys: bool = False,
) -> Restored:
    """Bring an installation back, after everything was checked: files first, then databases.

    What is killed half-way is refused by the next attempt, and has no ledger: nothing is served
    from it. PostgreSQL databases must be there, and be empty.

    Args:
        at: the beginning of a backup's name; the newest if None.
        keys: the folder that `back_up` was given for keys.
        without_keys: whoever restores puts the keys back.

    Raises:
        NotFound: no such backup.
        BackupDamaged: it, or that of the keys, is not as it was made.
        BackupTooNew: a newer release made it.
        NotEmpty: the installation has files or tables.
        InvalidParams: keys are not named, or others; or the settings describe another kind of
            installation.
        Unavailable: a database does not answer.
        DiskFull: there is no room.
    """
    folder = BackupFolder(source)
    manifest = _checked(folder, at)
    secrets = None if keys is None else BackupFolder(keys)
    kept = None if secrets is None else _checked_keys(secrets)
    _require_alike(manifest, installation)
    _require_empty(manifest, kept, installation)
    _require_key(manifest, kept, installation, without_keys=without_keys)
    if secrets is not None and kept is not None:
        for name, file in kept.files["keys"].items():
            _put(secrets, file, _key_file(name, installation), folder_mode=0o700)
    for name, files in manifest.files.items():
        for place, file in files.items():
            _put(folder, file, installation.trees[name] / place)
    os.sync()
    for name, database in manifest.databases.items():
        load(installation.databases[name], folder.path(database.sha256))
        if name == "mlflow" and manifest.artifact_root and installation.artifact_root:
            move_artifacts(
                installation.databases[name], manifest.artifact_root, installation.artifact_root
            )
    return _told(manifest)


def _checked(folder: BackupFolder, at: str | None) -> Manifest:
    manifest = folder.read(at)
    ours = manifest.databases.get("vigie")
    if ours is not None and ours.revision is not None and not knows(ours.revision):
        raise BackupTooNew(
            f"The backup's database has the schema {ours.revision}, which this release does not "
            f"know; it was made by {manifest.releases.get('vigie', 'another release')}.",
            remedy="Restore it with the release that made it, or a newer one.",
        )
    folder.check(manifest)
    return manifest


def _checked_keys(folder: BackupFolder) -> Manifest:
    manifest = _checked(folder, None)
    if set(manifest.files) != {"keys"}:
        raise InvalidParams(
            f"{folder.folder} holds no keys.",
            remedy="Name the folder that --secrets named when the backup was made.",
        )
    return manifest


def _require_alike(manifest: Manifest, installation: Installation) -> None:
    here = set(installation.trees)
    if set(manifest.files) != here:
        raise InvalidParams(
            f"The backup holds {', '.join(sorted(manifest.files))}; this installation keeps "
            f"{', '.join(sorted(here))} in folders.",
            remedy="Set VIGIE_STORE, VIGIE_LANDING_ZONE and VIGIE_ARTIFACT_ROOT as they were.",
        )
    for name, database in manifest.databases.items():
        kind = kind_of(installation.databases[name])
        if kind != database.kind:
            raise InvalidParams(
                f"The database {name} was on {database.kind}, and is to be on {kind}.",
                remedy="Set VIGIE_DATABASE_URL and VIGIE_POSTGRES_URL as they were.",
            )


def _require_empty(manifest: Manifest, kept: Manifest | None, installation: Installation) -> None:
    for root in installation.trees.values():
        found = next((path for path in root.rglob("*") if not path.is_dir()), None)
        if found is not None:
            raise NotEmpty(
                f"{root} is not empty: it has {found.relative_to(root)}.",
                remedy="Restore into another VIGIE_HOME, or move this one away.",
            )
    for name in kept.files["keys"] if kept else ():
        if _key_file(name, installation).exists():
            raise NotEmpty(
                f"There is a key {_key_file(name, installation)} already.",
                remedy="Leave --secrets out to keep it, or move it away.",
            )
    for name in manifest.databases:
        if not is_empty(installation.databases[name]):
            raise NotEmpty(
                f"The database {name} is not empty.",
                remedy="Restore into a new database, or drop this one and create it again.",
            )


def _require_key(
    manifest: Manifest, kept: Manifest | None, installation: Installation, *, without_keys: bool
) -> None:
    if manifest.pseudonym_key is None or without_keys:
        return
    found = fingerprint(installation) if kept is None else kept.pseudonym_key
    if found is None:
        raise InvalidParams("The keys are not in this backup.", remedy=_KEYS_ARE_APART)
    if found != manifest.pseudonym_key:
        raise InvalidParams(
            "The key of pseudonyms is not the one that this backup's patients are named by.",
            remedy="Name the folder with the keys of this installation.",
        )


def _key_file(name: str, installation: Installation) -> Path:
    return installation.keys.get(name, installation.home / "secrets" / name)


def _put(folder: BackupFolder, file: KeptFile, target: Path, *, folder_mode: int = 0o755) -> None:
    with room_for(target):
        target.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode)
        folder.copy(file.sha256, target)
    target.chmod(file.mode)
    os.utime(target, ns=(file.modified_ns, file.modified_ns))


def _told(manifest: Manifest) -> Restored:
    return Restored(
        backup=stamp(manifest.made_at),
        made_at=manifest.made_at.isoformat(timespec="seconds"),
        releases=manifest.releases,
        files=sum(map(len, manifest.files.values())),
        databases={name: database.revision for name, database in manifest.databases.items()},
        left_out=manifest.left_out,
    )
