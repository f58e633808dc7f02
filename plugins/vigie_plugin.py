"""What Vigie adds to Airflow: links to MLflow runs, and metrics under /vigie/metrics."""

from airflow.plugins_manager import AirflowPlugin
from airflow.serialization.definitions.operatorlink import XComOperatorLink
from vigie_metrics import app

_MLFLOW_URL_KEY = "mlflow_url"


class VigiePlugin(AirflowPlugin):
    """Registered by Airflow under the name `vigie`."""

    name = "vigie"
    # Airflow reads these class attributes as plain lists.
    fastapi_apps = [{"app": app, "url_prefix": "/vigie", "name": "Vigie"}]  # noqa: RUF012
    global_operator_extra_links = [  # noqa: RUF012
        XComOperatorLink(name="MLflow run", xcom_key=_MLFLOW_URL_KEY)
    ]
