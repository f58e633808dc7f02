"""What an installation consists of, and so what a backup holds: folders, databases, keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ml.data.storage import Place
from ml.journey.review_landing import FOLDER as REVIEWED
from ml.pacs.inbox import FOLDER as FROM_ARCHIVE
from ml.params.data import UNLABELLED
from ml.settings import Settings
from ml.stack.config import StackConfig

_MADE_AGAIN = ("cache", "run", "logs", "demo", "serving/bundles", "airflow/airflow.cfg")
"""Below `home`: what is made again when it is missing, and the logs of processes."""


@dataclass(frozen=True, slots=True)
class Installation:
    """`trees` are copied in this order; a tree leaves out what another one holds.

    A file is written before whatever names it. So `databases` are copied first, in this order, and
    images last: what a copy names is there, whatever is written meanwhile.

    `databases` are URLs, `keys` files that belong to no backup of images; `left_out` names what
    somebody else has to keep.
    """

    home: Path
    trees: dict[str, Path]
    databases: dict[str, str]
    keys: dict[str, Path]
    skipped: frozenset[Path]
    artifact_root: str
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Installation":
        """The installation that these settings describe."""
        workspace, config = settings.workspace, StackConfig.from_settings(settings)
        home = workspace.home
        places: dict[str, Place | None] = {
            "artifacts": _artifacts(workspace.artifact_root, home),
            "landing": workspace.landing,
            "inbox": workspace.landing / UNLABELLED / FROM_ARCHIVE,
            "reviewed": workspace.landing / REVIEWED,
            "datasets": workspace.datasets,
            "answers": workspace.archived_predictions,
            "store": workspace.store,
            "images": workspace.images,
        }
        folders = {name: path for name, path in places.items() if isinstance(path, Path)}
        # A registry behind an address that is nobody's database here keeps its own.
        ours = not workspace.tracking_uri.startswith("http")
        keys = home / "secrets"
        return cls(
            home=home,
            trees={"home": home, **{n: p for n, p in folders.items() if n != "landing"}},
            databases={
                "airflow": config.database("airflow"),
                "mlflow": workspace.tracking_uri if ours else config.database("mlflow"),
                "vigie": workspace.database_url,
            },
            keys={
                **{path.name: path for path in _files(keys)},
                "pseudonym.key": workspace.pseudonym_key_file,
                "signing.key": workspace.signing_key_file,
                "api-keys.json": settings.key_file,
                config.passwords.name: config.passwords,
            },
            skipped=frozenset(
                {keys, *(home / part for part in _MADE_AGAIN)}
                | ({folders["landing"]} if "landing" in folders else set())
            ),
            artifact_root=workspace.artifact_root,
            left_out=tuple(_left_out(places)),
        )


def _artifacts(root: str, home: Path) -> Path | None:
    # An empty root leaves it to the MLflow server, and the local stack's keeps them there.
    address = urlsplit(root)
    if not root:
        return home / "mlflow" / "artifacts"
    return Path(url2pathname(address.path)) if address.scheme in ("", "file") else None


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]


def _left_out(places: dict[str, Place | None]) -> Iterator[str]:
    bucket = "keep it by the bucket's versioning and replication"
    store = places["store"]
    if store is not None and not isinstance(store, Path):
        yield f"store, datasets and archived answers, which are in {store.parent}: {bucket}"
    artifacts = places["artifacts"]
    if artifacts is None or not artifacts.is_dir():
        yield f"MLflow's artifacts, which its server keeps; where that is a bucket, {bucket}"
    yield f"what others delivered into {places['landing']}, which they keep"
