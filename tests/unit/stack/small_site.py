"""A small installation with a bit of everything that a backup has to keep."""

import secrets
import sqlite3
from pathlib import Path
from typing import Any

from ml.settings import Settings
from ml.stack.installation import Installation
from ml.store import ledger
from ml.store.database import open_database
from ml.store.migrate import migrate


def site(home: Path, **settings: Any) -> Installation:
    """The installation at `home`, whatever is there."""
    return Installation.of(Settings(home=home, **settings))


def make_site(home: Path, *, images: int = 3, **settings: Any) -> Installation:
    """An installation with a ledger, images, a run, a log of answers, keys and a cache."""
    made = site(home, **settings)
    decide(made, "version 1")
    for _ in range(images):
        add_image(made)
    write(home / "datasets" / "d1" / "dataset.json", b"{}")
    write(home / "archive" / "predictions" / "2025-01" / "2025-01-02-a.parquet", b"answers")
    write(home / "runs" / "weekly" / "gate.json", b'{"promote": true}')
    write(home / "reports" / "drift" / "w1" / "report.json", b"{}")
    write(home / "landing" / "benign" / "Doe_Jane.png", b"of a patient")
    write(home / "landing" / "unlabelled" / "pacs" / "a.png", b"from the archive")
    write(home / "cache" / "grids" / "g.npy", b"made again")
    write(home / "secrets" / "pseudonym.key", secrets.token_bytes(32), mode=0o600)
    write(home / "secrets" / "airflow.json", b'{"fernet_key": "hush"}', mode=0o600)
    write(home / "store" / "images" / ".half.part", b"half-written")
    answer(home / "serving" / "outbox.sqlite", "answered before")
    return made


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def add_image(installation: Installation) -> str:
    name = secrets.token_hex(32)
    write(installation.trees["images"] / name[:2] / f"{name}.tif", name.encode() * 20)
    return name


def decide(installation: Installation, subject: str) -> None:
    """A line of the ledger."""
    database = open_database(installation.databases["vigie"])
    migrate(database)
    ledger.append(database, actor="ops", action="gate", subject=subject, reason="", evidence={})
    database.dispose()


def answer(outbox: Path, text: str) -> None:
    """A row of a log of answers, which stays in its write-ahead log."""
    outbox.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(outbox)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS outbox (key TEXT)")
    connection.execute("INSERT INTO outbox VALUES (?)", (text,))
    connection.commit()
    connection.close()


def answers(outbox: Path) -> list[str]:
    with sqlite3.connect(outbox) as connection:
        return [text for (text,) in connection.execute("SELECT key FROM outbox")]


def contents(folder: Path) -> dict[str, bytes]:
    """Path → bytes of every file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
