# Two images from the locks: `server`, without TensorFlow, and `worker`.   docker build --target server .
ARG BASE=python:3.11-slim-bookworm
# Set to 1 for images that speak to a Ray cluster, or are a node of one.
ARG RAY=
# Set to 1 for images that write to MLflow, TensorBoard and W&B, and ONNX.
ARG TRACKING=

# Lay the project over the packages' environment, so that a new version is a small layer on the same packages.
FROM ${BASE} AS build
WORKDIR /src
COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes -r requirements/build.txt
RUN python -m venv --without-pip /opt/regsweep
COPY pyproject.toml README.md LICENSE ./
COPY regsweep regsweep
COPY service service
COPY studies studies
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip --python /opt/regsweep/bin/python install --no-deps --prefix /opt/project /wheels/*.whl

# Leave out the packages' C++ headers and tests: they would be a tenth of the server and a sixth of the worker.
FROM ${BASE} AS packages
RUN python -m venv --without-pip /opt/regsweep

FROM packages AS server-packages
ARG RAY
ARG TRACKING
COPY requirements/server.txt requirements/ray.txt requirements/tracking.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/regsweep/bin/python install --require-hashes -r /server.txt ${RAY:+-r /ray.txt} \
       ${TRACKING:+-r /tracking.txt} \
    && find /opt/regsweep -type d \( -name tests -o -name include \) -prune -exec rm -r {} +

FROM packages AS worker-packages
# `worker` trains on the processor, `worker-gpu` with CUDA.
ARG WORKER_LOCK=worker
ARG RAY
ARG TRACKING
COPY requirements/${WORKER_LOCK}.txt requirements/ray.txt requirements/tracking.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/regsweep/bin/python install --require-hashes -r /${WORKER_LOCK}.txt ${RAY:+-r /ray.txt} \
       ${TRACKING:+-r /tracking.txt} \
    && find /opt/regsweep -type d \( -name tests -o -name include \) -prune -exec rm -r {} +

# List what each image holds, Python's packages and the base's, in CycloneDX.
FROM ${BASE} AS contents
COPY requirements/audit.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/audit \
    && pip --python /opt/audit/bin/python install --require-hashes -r /audit.txt
COPY docker/list_contents.py /

FROM contents AS server-contents
COPY --from=server-packages /opt/regsweep /opt/regsweep
COPY --from=build /opt/project /opt/regsweep
RUN /opt/audit/bin/python /list_contents.py /opt/regsweep/bin/python > /sbom.cdx.json

FROM contents AS worker-contents
COPY --from=worker-packages /opt/regsweep /opt/regsweep
COPY --from=build /opt/project /opt/regsweep
RUN /opt/audit/bin/python /list_contents.py /opt/regsweep/bin/python > /sbom.cdx.json

FROM ${BASE} AS runtime
# A volume takes its owner from the folder it is first mounted on.
RUN pip uninstall --yes --root-user-action=ignore setuptools wheel pip \
    && useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin regsweep \
    && install -d -o regsweep -g regsweep /data /data/tmp
# The root may be read-only: write to the volume, and let libraries write to /tmp as their home.
ENV PATH=/opt/regsweep/bin:$PATH \
    HOME=/tmp \
    TMPDIR=/data/tmp \
    REGSWEEP_CACHE_FOLDER=/data/cache \
    RAY_USAGE_STATS_ENABLED=0
# From here the settings' defaults, data/regsweep.db and data/artifacts, are on the volume.
WORKDIR /
VOLUME /data
USER 10001:10001
ARG VERSION=0.2.0
ARG REVISION
LABEL org.opencontainers.image.title="regsweep" \
      org.opencontainers.image.description="Which regularization to use on your data, how much of it, and how sure that is." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS server
COPY --from=server-packages /opt/regsweep /opt/regsweep
COPY --from=build /opt/project /opt/regsweep
COPY --from=server-contents /sbom.cdx.json /opt/regsweep/share/
ENV REGSWEEP_HOST=0.0.0.0 REGSWEEP_WORKERS=0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz?exclude=workers', timeout=4)"]
CMD ["regsweep", "serve"]

FROM runtime AS worker
COPY --from=worker-packages /opt/regsweep /opt/regsweep
COPY --from=build /opt/project /opt/regsweep
COPY --from=worker-contents /sbom.cdx.json /opt/regsweep/share/
ENV REGSWEEP_HEARTBEAT_PATH=/tmp/heartbeat
# Ten seconds, for the check starts beside a training that takes the whole processor.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --start-interval=2s CMD ["regsweep", "worker", "--check"]
CMD ["regsweep", "worker"]
