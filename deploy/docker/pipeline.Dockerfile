# Airflow's processes, the workers and their tasks, and MLflow: everything but development tools.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM python:3.11-slim-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /vigie/app
# `--group gpu` brings the libraries that TensorFlow needs to train on a GPU.
ARG SYNC_OPTIONS=""
# Dependencies first: they change less often than the code.
COPY pyproject.toml uv.lock README.md ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-install-project \
    --extra serve --extra train --extra orchestrate --extra monitor --extra pacs --extra s3 \
    --extra cluster ${SYNC_OPTIONS}
COPY ml ml
COPY serving serving
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-editable \
    --extra serve --extra train --extra orchestrate --extra monitor --extra pacs --extra s3 \
    --extra cluster ${SYNC_OPTIONS}

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 vigie \
    && useradd --system --uid 10001 --gid vigie --home-dir /vigie --no-create-home vigie \
    && mkdir -p /vigie/home/reports /vigie/airflow /vigie/landing /vigie/keys /vigie/metrics-key \
        /vigie/s3 \
    && chown -R vigie:vigie /vigie
COPY --from=build /vigie/app/.venv /vigie/app/.venv
COPY params.toml /vigie/app/params.toml
COPY expectations /vigie/app/expectations
COPY dags /vigie/app/dags
COPY plugins /vigie/app/plugins
ENV PATH=/vigie/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    KERAS_HOME=/vigie/home/keras \
    VIGIE_HOME=/vigie/home \
    VIGIE_LANDING_ZONE=/vigie/landing \
    VIGIE_PARAMS_FILE=/vigie/app/params.toml \
    VIGIE_EXPECTATIONS=/vigie/app/expectations \
    AIRFLOW_HOME=/vigie/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/vigie/app/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/vigie/app/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /vigie/app
