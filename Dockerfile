# syntax=docker/dockerfile:1

# Three images from one file:
#   docker build --target server       -t wordkin-server       .
#   docker build --target trainer      -t wordkin-trainer      .
#   docker build --target trainer-cuda -t wordkin-trainer-cuda .    (docs/gpu.md)
# All expect the models in /store: docker run -v wordkin-store:/store …

ARG PYTHON=docker.io/library/python:3.12-slim-bookworm
ARG CUDA=docker.io/nvidia/cuda:12.6.3-base-ubuntu24.04

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

FROM sources AS trainer-cuda-wheels
ARG CUPY=14.2.0
RUN pip wheel --no-cache-dir --wheel-dir /wheels \
    ".[train,cuda,remote]" "cupy-cuda12x[ctk]==${CUPY}" "nvidia-nccl-cu12>=2.18,<3" "gcsfs>=2024.12"

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

# --- trainer-cuda: CUDA's own libraries come with CuPy; the base has what lets the host's driver in -------------------
FROM ${CUDA} AS cuda-base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends "python3.12-venv=3.12.3-*" \
    && rm -rf /var/lib/apt/lists/* \
    && python3.12 -m venv /opt/wordkin \
    && groupadd --gid 10001 wordkin \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/cache/wordkin --shell /usr/sbin/nologin wordkin \
    && install --directory --owner=10001 --group=10001 /store \
    && install --directory --mode=1777 /var/cache/wordkin \
    && rm -rf /usr/local/cuda-*/compat
# The cache is anyone's, so that docker run --user works. CuPy's CUDA runs with every driver of CUDA 12 or newer, not only with
# those that the base asks for, and needs no driver's library but the host's.
ENV NVIDIA_REQUIRE_CUDA="cuda>=12.0" \
    PATH=/opt/wordkin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    WORDKIN_STORE=/store \
    WORDKIN_CACHE=/var/cache/wordkin \
    NUMBA_CACHE_DIR=/var/cache/wordkin/numba \
    MPLCONFIGDIR=/var/cache/wordkin/matplotlib \
    CUPY_CACHE_DIR=/var/cache/wordkin/cupy
RUN --mount=type=bind,from=trainer-cuda-wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl

# No GPU is needed to compile for one.
FROM cuda-base AS cuda-kernels
RUN python -m trainer.engines.precompile /cubins

FROM cuda-base AS trainer-cuda
COPY --from=cuda-kernels /cubins /opt/wordkin/cubins
ENV WORDKIN_CUBINS=/opt/wordkin/cubins
VOLUME ["/store"]
USER 10001:10001
WORKDIR /
ENTRYPOINT ["python", "-m", "trainer.container"]
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
