# syntax=docker/dockerfile:1

# Two images from one file:
#   docker build --target server  -t wordkin-server  .
#   docker build --target trainer -t wordkin-trainer .
# Both expect the models in /store: docker run -v wordkin-store:/store …

ARG PYTHON=python:3.12-slim-bookworm

# --- wheels: everything is downloaded and built here, and nothing of this stage is shipped -------------------------
FROM ${PYTHON} AS sources
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY artifact artifact
COPY trainer trainer
COPY app app

FROM sources AS server-wheels
RUN pip wheel --no-cache-dir --wheel-dir /wheels ".[serve]"

FROM sources AS trainer-wheels
RUN pip wheel --no-cache-dir --wheel-dir /wheels ".[train]"

# --- base: Python, a user without rights, and the store ------------------------------------------------------------
FROM ${PYTHON} AS base
# PYTHONSAFEPATH: nothing is imported from the folder that a container is started in.
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    WORDKIN_STORE=/store \
    WORDKIN_CACHE=/var/cache/wordkin
RUN groupadd --gid 10001 wordkin \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/cache/wordkin --shell /usr/sbin/nologin wordkin \
    && install --directory --owner=10001 --group=10001 /store /var/cache/wordkin
VOLUME ["/store"]

# --- trainer -------------------------------------------------------------------------------------------------------
FROM base AS trainer
# Compiled code and fonts are kept where the user may write.
ENV NUMBA_CACHE_DIR=/var/cache/wordkin/numba \
    MPLCONFIGDIR=/var/cache/wordkin/matplotlib
RUN --mount=type=bind,from=trainer-wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl
USER 10001:10001
WORKDIR /
ENTRYPOINT ["python", "-m", "trainer"]
CMD ["--help"]

# --- server: the last stage, so that it is what a build without --target makes -------------------------------------
FROM base AS server
ENV WORDKIN_HOST=0.0.0.0 \
    WORDKIN_PORT=8000
RUN --mount=type=bind,from=server-wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl
USER 10001:10001
WORKDIR /
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "app.health"]
ENTRYPOINT ["python", "-m", "app"]
