# `make image` builds it; `docker run --rm dragoman` starts the service on the embedded model, reachable only from inside
# the container. To be reachable from outside it must listen on all addresses, which requires keys or --anonymous:
#   docker run -p 127.0.0.1:50051:50051 dragoman serve --grpc-listen 0.0.0.0:50051 --anonymous
#   docker run -p 50051:50051 -v ./dragoman.toml:/etc/dragoman.toml dragoman serve --config /etc/dragoman.toml
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/dragoman
ENV PATH=/opt/dragoman/bin:$PATH
COPY requirements/runtime.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --require-hashes --requirement requirements/runtime.lock
COPY LICENSE README.md pyproject.toml ./
COPY clients/python clients/python
COPY service service
RUN pip install --no-cache-dir --no-deps --no-build-isolation ./clients/python .

FROM build AS weights
RUN DRAGOMAN_CACHE_DIR=/opt/weights dragoman local fetch

# The final image does without the build tools.
FROM build AS installed
RUN pip uninstall --yes setuptools pip

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Dragoman" \
      org.opencontainers.image.description="A pluggable gRPC service in front of language models" \
      org.opencontainers.image.licenses="Apache-2.0"
# The runtime of the embedded model is linked against libgomp1. The folder belongs to group 0, which OpenShift gives to
# containers that it runs under a user of its own.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner 10001 --group 0 --mode 0775 /var/lib/dragoman
COPY --from=weights /opt/weights /opt/weights
COPY --from=installed /opt/dragoman /opt/dragoman
ENV PATH=/opt/dragoman/bin:$PATH \
    HOME=/var/lib/dragoman \
    DRAGOMAN_CACHE_DIR=/opt/weights \
    DRAGOMAN_SERVER__DATA_DIR=/var/lib/dragoman
USER 10001:10001
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
