"""The assets that join the DAGs: images that landed, a frozen dataset, a wish to retrain."""

from airflow.sdk import Asset, AssetWatcher
from vigie_landing import LandingTrigger

from ml.settings import load_settings

LANDING = Asset(
    name="vigie_landing",
    uri="vigie://landing",
    watchers=[
        AssetWatcher(
            name="vigie_landing_zone",
            trigger=LandingTrigger(folder=str(load_settings().workspace.landing)),
        )
    ],
)
"""New files came to rest in the landing zone."""

DATASET = Asset(name="vigie_dataset", uri="vigie://dataset")
"""A dataset was frozen; the event's extra names it."""

RETRAIN = Asset(name="vigie_retrain", uri="vigie://retrain")
"""Monitoring asks for a new model; the event's extra gives the reason."""
