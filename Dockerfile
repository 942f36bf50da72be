# `make image` builds it, and `make image TARGET=minimal` one without the embedded model. `docker run --rm dragoman` starts
# the service on the embedded model, reachable only from inside the container. To be reachable from outside it must
# listen on all addresses, which requires keys or --anonymous:
#   docker run -p 127.0.0.1:50051:50051 dragoman serve --grpc-listen 0.0.0.0:50051 --anonymous
#   docker run -p 50051:50051 -v ./dragoman.toml:/etc/dragoman.toml dragoman serve --config /etc/dragoman.toml
# It needs no right and writes to two folders only:
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges dragoman
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
WORKDIR /src
# What the HTTP/2 extension is built with.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libnghttp2-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/dragoman
ENV PATH=/opt/dragoman/bin:$PATH
COPY requirements/minimal.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --require-hashes --requirement requirements/minimal.lock
COPY LICENSE README.md pyproject.toml ./
COPY clients/python clients/python
COPY service service
RUN pip install --no-cache-dir --no-deps --no-build-isolation ./clients/python ./service/http2 .

FROM build AS weights
RUN DRAGOMAN_CACHE_DIR=/opt/weights dragoman local fetch

FROM build AS engine
COPY requirements/runtime.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --require-hashes --requirement requirements/runtime.lock

# The final images do without the build tools.
FROM build AS installed-minimal
RUN pip uninstall --yes setuptools pip

FROM engine AS installed
RUN pip uninstall --yes setuptools pip

FROM python:${PYTHON} AS base
# The library of the HTTP/2 extension, no installer, and no file with which a user becomes another one. The folder belongs
# to group 0, which OpenShift gives to containers that it runs under a user of its own.
RUN pip uninstall --yes pip \
    && apt-get update \
    && apt-get install --yes --no-install-recommends libnghttp2-14 \
    && rm -rf /var/lib/apt/lists/* \
    && find / -xdev -type f -perm /6000 -exec chmod ug-s {} + \
    && install --directory --owner 10001 --group 0 --mode 0775 /var/lib/dragoman
ENV PATH=/opt/dragoman/bin:$PATH \
    HOME=/var/lib/dragoman \
    DRAGOMAN_SERVER__DATA_DIR=/var/lib/dragoman
WORKDIR /var/lib/dragoman
VOLUME /var/lib/dragoman
EXPOSE 50051 8080
# Checks the default port of the HTTP listener; a container with another port needs a health check of its own.
# It asks no proxy: Docker sets HTTP_PROXY in containers if its configuration has one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import ProxyHandler as P, build_opener as b; b(P({})).open('http://127.0.0.1:8080/livez', timeout=2)"]
# No init process is needed: as process 1 the service handles signals and reaps its only child, the embedded model's
# engine. After SIGTERM it drains for up to 25 seconds, so stop it with `docker stop --time 30`.
ENTRYPOINT ["dragoman"]
CMD ["serve"]
ARG VERSION="" REVISION="" SOURCE=""
LABEL org.opencontainers.image.title="Dragoman" \
      org.opencontainers.image.description="A pluggable gRPC service in front of language models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

# Without the embedded model: it serves providers that the settings name.
FROM base AS minimal
COPY --from=installed-minimal /opt/dragoman /opt/dragoman
USER 10001:10001

FROM base
# The runtime of the embedded model is linked against libgomp1.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=weights /opt/weights /opt/weights
COPY --from=installed /opt/dragoman /opt/dragoman
ENV DRAGOMAN_CACHE_DIR=/opt/weights
USER 10001:10001
