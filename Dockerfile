# An image of the bridge. Not built in this project's CI: there is no Docker engine there.
#
#   docker build -t dropbridge .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges -p 127.0.0.1:9847:9847 \
#     -v dropbridge-state:/var/lib/dropbridge -v /etc/dropbridge:/etc/dropbridge:ro -v /mnt/drops:/mnt/drops:ro dropbridge
#
# State is in one volume, /var/lib/dropbridge: nothing else is written, so the root may be read-only. The configuration
# is mounted at /etc/dropbridge; shares are mounted where the configuration says, read-only but for those that files are
# relayed or delivered to. Files of a share that only a group may read: `--group-add GID`.

FROM rust:1.95-slim-bookworm AS build
# For the C libraries that are built in: librdkafka, OpenSSL, SQLite.
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake g++ make perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --locked --profile dist --package dropbridge

FROM debian:bookworm-slim
# Certificates of public authorities, for clusters that have theirs from one.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 dropbridge \
    && useradd --system --uid 10001 --gid dropbridge --home-dir /var/lib/dropbridge --shell /usr/sbin/nologin dropbridge \
    && install -d -o dropbridge -g dropbridge -m 0750 /var/lib/dropbridge
COPY --from=build /source/target/dist/dropbridge /usr/local/bin/dropbridge
USER 10001:10001
WORKDIR /var/lib/dropbridge
VOLUME /var/lib/dropbridge
# /metrics, /healthz, /readyz, /status: publish the port to those who may see names of files.
EXPOSE 9847
# The image has no curl; bash can ask as well. Healthy: the process lives and its threads make progress.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/9847 && printf 'GET /healthz HTTP/1.1\\r\\nHost: bridge\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["dropbridge"]
CMD ["--config", "/etc/dropbridge/bridge.toml", "run", "--http", "0.0.0.0:9847"]
