# Two targets from one lock: `server` (no TensorFlow) and `worker`.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
RUN python -m venv /opt/regsweep
WORKDIR /src
COPY requirements requirements
ARG LOCK=server
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/regsweep/bin/pip install --require-hashes -r requirements/${LOCK}.txt
COPY pyproject.toml README.md ./
COPY service service
COPY studies studies
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/build && /opt/build/bin/pip install hatchling \
    && /opt/build/bin/python -m hatchling build -t wheel \
    && /opt/regsweep/bin/pip install --no-deps dist/*.whl

FROM ${BASE} AS runtime
RUN useradd --create-home --uid 10001 regsweep && install -d -o regsweep /data
COPY --from=build /opt/regsweep /opt/regsweep
ENV PATH=/opt/regsweep/bin:$PATH \
    REGSWEEP_DATABASE_URL=sqlite:////data/regsweep.db \
    REGSWEEP_ARTIFACTS_URL=file:///data/artifacts \
    REGSWEEP_CACHE_FOLDER=/data/cache
USER regsweep
WORKDIR /data
VOLUME /data

FROM runtime AS server
ENV REGSWEEP_HOST=0.0.0.0 REGSWEEP_WORKERS=0
EXPOSE 8000
HEALTHCHECK --interval=5s --start-period=20s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz')"]
CMD ["regsweep", "serve"]

FROM runtime AS worker
CMD ["regsweep", "worker"]
