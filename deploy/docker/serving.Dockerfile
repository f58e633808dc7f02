# The server alone: FastAPI, ONNX Runtime and OpenVINO, traces; neither TensorFlow nor Airflow.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM python:3.11-slim-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /vigie/app
COPY pyproject.toml uv.lock README.md ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-install-project --extra serve --extra openvino --extra tracing --extra oidc
COPY ml ml
COPY serving serving
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-editable --extra serve --extra openvino --extra tracing --extra oidc

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 vigie \
    && useradd --system --uid 10001 --gid vigie --home-dir /vigie --no-create-home vigie \
    && mkdir -p /vigie/home /vigie/keys \
    && chown -R vigie:vigie /vigie
COPY --from=build /vigie/app/.venv /vigie/app/.venv
ENV PATH=/vigie/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp VIGIE_HOME=/vigie/home
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /vigie
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=4)"]
CMD ["python", "-m", "serving", "--host", "0.0.0.0", "--port", "8080"]
