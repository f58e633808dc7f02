"""Which backups of a folder may go when a new one was made."""

from ml.stack.backup_folder import BackupFolder


def prune(folder: BackupFolder, *, made: str, keep: int) -> list[str]:
    """Remove what is older than the newest `keep` complete backups; their names.

    The one just made counts first, whatever the clock says, and is read whole before another one
    goes. An earlier one counts where its contents are here by name and size. The folder is held by
    its writer meanwhile (`BackupFolder.writing`).

    Args:
        made: the backup that was just made.
        keep: at least 1.

    Raises:
        BackupDamaged: a manifest, or a content of the one just made, was altered; nothing was
            removed.
        BackupTooNew: a newer release keeps its backups here, too; nothing was removed.
    """
    earlier = [name for name in reversed(folder.names()) if name != made]
    if len(earlier) < keep:
        return []
    newest = folder.read(made)
    folder.check(newest)
    complete, needed = 1, set(newest.contents)
    removed = []
    for name in earlier:
        contents = folder.read(name).contents
        if complete == keep:
            removed.append(name)
            continue
        needed.update(contents)
        if all(folder.has(sha256, size) for sha256, size in contents.items()):
            complete += 1
    if removed:
        folder.remove(removed, needed)
    return removed
