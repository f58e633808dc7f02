"""What Vigie adds to Airflow: links to what tasks left behind, pages and metrics under /vigie."""

from airflow.plugins_manager import AirflowPlugin
from airflow.serialization.definitions.operatorlink import XComOperatorLink
from vigie_board import router as board
from vigie_metrics import app
from vigie_pages import router

_MLFLOW_URL_KEY, _DATA_DOCS_URL_KEY = "mlflow_url", "data_docs_url"
_REPORT_URL_KEY = "report_url"
app.include_router(router)
app.include_router(board)


class VigiePlugin(AirflowPlugin):
    """Registered by Airflow under the name `vigie`."""

    name = "vigie"
    # Airflow reads these class attributes as plain lists.
    fastapi_apps = [{"app": app, "url_prefix": "/vigie", "name": "Vigie"}]  # noqa: RUF012
    global_operator_extra_links = [  # noqa: RUF012
        XComOperatorLink(name="MLflow run", xcom_key=_MLFLOW_URL_KEY),
        XComOperatorLink(name="Data Docs", xcom_key=_DATA_DOCS_URL_KEY),
        XComOperatorLink(name="Report", xcom_key=_REPORT_URL_KEY),
    ]
    external_views = [  # noqa: RUF012
        # Without a route of Airflow's it opens in a tab of its own: a page on which models are
        # promoted must not be framed.
        {
            "name": "Model board",
            "href": "/vigie/board",
            "destination": "nav",
            "category": "browse",
        },
        {
            "name": "Batches",
            "href": "/vigie/batches",
            "destination": "nav",
            "category": "browse",
            "url_route": "vigie-batches",
        },
        {
            "name": "Watch",
            "href": "/vigie/watch/trend.html",
            "destination": "nav",
            "category": "browse",
            "url_route": "vigie-watch",
        },
    ]
