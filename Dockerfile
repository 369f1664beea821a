# An image of the bridge. Not built in this project's CI: there is no Docker engine there.
#
#   docker build -t dropbridge .
#   docker run -v dropbridge-state:/var/lib/dropbridge -v /etc/dropbridge:/etc/dropbridge:ro -v /mnt/drops:/mnt/drops:ro dropbridge
#
# State is in one volume, /var/lib/dropbridge; the configuration is mounted at /etc/dropbridge; shares are mounted where
# the configuration says, read-only.

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
ENTRYPOINT ["dropbridge"]
CMD ["run", "--config", "/etc/dropbridge/bridge.toml"]
