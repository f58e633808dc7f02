"""Back an installation up while it runs: databases first, then the files that they may name."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ml.contract.errors import InvalidParams, NotFound
from ml.stack.backup_folder import BackupFolder
from ml.stack.backup_manifest import KeptDatabase, KeptFile, Manifest
from ml.stack.backup_pruning import prune
from ml.stack.errors import BackupDamaged, BackupTooNew
from ml.stack.installation import Installation
from ml.store.dump import dump, dump_sqlite, is_empty, is_sqlite, sqlite_file

_PACKAGES = ("vigie", "mlflow", "apache-airflow-core")
_MAY_BE_A_DATABASE = {".db", ".sqlite"}
_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal", ".lock")


class MadeBackup(BaseModel):
    """A backup as a person is told of it; `new_bytes` is what the folder grew by."""

    model_config = ConfigDict(frozen=True)

    name: str
    files: int
    databases: list[str]
    bytes: int
    new_files: int
    new_bytes: int
    with_keys: bool
    left_out: list[str]
    removed: list[str]


def back_up(
    installation: Installation, target: Path, *, keys: Path | None = None, keep: int | None = None
) -> MadeBackup:
    """Add a backup to the folder `target`; contents that are there are not copied again.

    Args:
        keys: another folder, which gets a backup of the keys; without it they are left out.
        keep: how many complete backups stay in each folder, this one counted; all if None. Older
            ones are removed once this one is made and was read whole.

    Raises:
        NotFound: there is no installation.
        InvalidParams: the folders are not apart from each other and from the installation, or none
            would be kept.
        ToolMissing: no `pg_dump` fits the PostgreSQL server.
        Unavailable: a database does not answer.
        DiskFull: there is no room; earlier backups are as they were.
        BackupDamaged, BackupTooNew: it was made, but is not whole, or another one cannot be read;
            earlier backups are as they were.
    """
    if keep is not None and keep < 1:
        raise InvalidParams("No backup would be kept.", remedy="Keep at least 1.")
    _require_installed(installation)
    _require_apart(installation, target, keys)
    now = datetime.now(UTC)
    kept_keys = None if keys is None else _back_up_keys(installation, BackupFolder(keys), now)
    folder = BackupFolder(target)
    with folder.writing() as scratch:
        copying = _Copying(folder)
        # An answer goes from the server's log into the database, so the log is looked at first.
        logs = copying.embedded(installation, scratch)
        databases = copying.databases(installation, scratch)
        manifest = Manifest(
            made_at=now,
            releases=_releases(),
            files={
                name: copying.tree(name, installation) | logs.get(name, {})
                for name in installation.trees
            },
            databases=databases,
            artifact_root=installation.artifact_root,
            pseudonym_key=fingerprint(installation),
            left_out=list(installation.left_out),
        )
        name = folder.write(manifest)
        removed = prune(folder, made=name, keep=keep) if keep is not None else []
    if keep is not None and keys is not None and kept_keys is not None:
        with BackupFolder(keys).writing():
            prune(BackupFolder(keys), made=kept_keys, keep=keep)
    return MadeBackup(
        name=name,
        files=sum(map(len, manifest.files.values())),
        databases=list(databases),
        bytes=sum(manifest.contents.values()),
        new_files=len(copying.new),
        new_bytes=sum(copying.new.values()),
        with_keys=keys is not None,
        left_out=list(installation.left_out),
        removed=removed,
    )


class _Copying:
    """One backup under way; what did not change since the newest one is not read again."""

    def __init__(self, folder: BackupFolder) -> None:
        self._folder = folder
        newest = _newest(folder)
        self._before = newest.files if newest else {}
        self._kept = set(newest.contents) if newest else set()
        self.new: dict[str, int] = {}

    def embedded(self, installation: Installation, scratch: Path) -> dict[str, dict[str, KeptFile]]:
        """SQLite files inside the trees, each as one state: the server's log of answers."""
        kept: dict[str, dict[str, KeptFile]] = {}
        for name, root in installation.trees.items():
            for path in _walk(root, _elsewhere(name, installation)):
                if _is_database(path):
                    copy = scratch / "embedded"
                    dump_sqlite(path, copy)
                    kept.setdefault(name, {})[_name(path, root)] = self.keep(copy, path.stat())
                    copy.unlink()
        return kept

    def databases(self, installation: Installation, scratch: Path) -> dict[str, KeptDatabase]:
        """Dumps of the databases that are there, in the installation's order."""
        kept = {}
        for name, url in installation.databases.items():
            file = sqlite_file(url)
            if file is not None and not file.exists():
                continue
            copy = scratch / name
            made = dump(url, copy)
            sha256, size = self._add(copy)
            kept[name] = KeptDatabase(
                kind=made.kind, sha256=sha256, size=size, revision=made.revision
            )
            copy.unlink()
        return kept

    def tree(self, name: str, installation: Installation) -> dict[str, KeptFile]:
        """The files of a tree that are no databases."""
        root = installation.trees[name]
        before = self._before.get(name, {})
        kept = {}
        for path in _walk(root, _elsewhere(name, installation)):
            place = _name(path, root)
            try:
                found = path.stat()
                known = before.get(place)
                if known is not None and self._is_unchanged(known, found):
                    kept[place] = known
                elif not _is_database(path):
                    kept[place] = self.keep(path, found)
            except FileNotFoundError:
                continue  # deleted meanwhile, as expired quarantine is
        return kept

    def _is_unchanged(self, known: KeptFile, found: os.stat_result) -> bool:
        return (known.size, known.modified_ns) == (
            found.st_size,
            found.st_mtime_ns,
        ) and self._folder.has(known.sha256, known.size)

    def keep(self, path: Path, found: os.stat_result) -> KeptFile:
        """One file's content, now."""
        sha256, size = self._add(path)
        return KeptFile(
            sha256=sha256,
            size=size,
            mode=found.st_mode & 0o777,
            modified_ns=found.st_mtime_ns,
        )

    def _add(self, path: Path) -> tuple[str, int]:
        sha256, size = self._folder.add(path, self._kept)
        if sha256 not in self._kept:
            self._kept.add(sha256)
            self.new[sha256] = size
        return sha256, size


def fingerprint(installation: Installation) -> str | None:
    """A hash that tells the key of pseudonyms from others and gives nothing of it away."""
    path = installation.keys["pseudonym.key"]
    if not path.is_file():
        return None
    return hashlib.sha256(b"vigie pseudonym key\0" + path.read_bytes()).hexdigest()


def _back_up_keys(installation: Installation, folder: BackupFolder, now: datetime) -> str:
    with folder.writing():
        copying = _Copying(folder)
        kept = {
            name: copying.keep(path, path.stat())
            for name, path in installation.keys.items()
            if path.is_file()
        }
        return folder.write(
            Manifest(
                made_at=now,
                releases=_releases(),
                files={"keys": kept},
                pseudonym_key=fingerprint(installation),
            )
        )


def _require_installed(installation: Installation) -> None:
    url = installation.databases["vigie"]
    if is_empty(url):
        where = sqlite_file(url) or "PostgreSQL"
        raise NotFound(
            f"There is no installation: the database ({where}) is empty.",
            remedy="Set VIGIE_HOME, and VIGIE_DATABASE_URL if there is one, as for the server.",
        )


def _require_apart(installation: Installation, target: Path, keys: Path | None) -> None:
    folders = [path.resolve() for path in (target, keys) if path is not None]
    trees = [path.resolve() for path in installation.trees.values()]
    for folder in folders:
        for other in (*trees, *(path for path in folders if path != folder)):
            if folder.is_relative_to(other) or (other in folders and other.is_relative_to(folder)):
                raise InvalidParams(
                    f"{folder} and {other} are not apart.",
                    remedy="Name a folder outside, on another disk; and yet another one for keys.",
                )
    if len(folders) != len(set(folders)):
        raise InvalidParams(
            f"Keys and images would both be in {target}.", remedy="Name another folder for keys."
        )


def _newest(folder: BackupFolder) -> Manifest | None:
    try:
        return folder.read()
    except (NotFound, BackupDamaged, BackupTooNew):
        return None


def _walk(root: Path, elsewhere: frozenset[Path]) -> Iterator[Path]:
    # Hidden files are locks and half-written ones: whatever is whole has a name.
    if not root.is_dir():
        return
    with os.scandir(root) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = root / entry.name
        if entry.name.startswith(".") or path in elsewhere:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, elsewhere)
        elif entry.is_file() and not entry.name.endswith(_BESIDE_A_DATABASE):
            yield path


def _elsewhere(name: str, installation: Installation) -> frozenset[Path]:
    files = (sqlite_file(url) for url in installation.databases.values())
    return installation.skipped.union(
        (path for tree, path in installation.trees.items() if tree != name),
        installation.keys.values(),
        (file for file in files if file is not None),
    )


def _is_database(path: Path) -> bool:
    return path.suffix in _MAY_BE_A_DATABASE and is_sqlite(path)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _releases() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
