# Needs BuildKit. A first build compiles the whole dependency set in release: expect many minutes.
FROM rust:1.95-trixie AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src ./src
# The rules are built in.
COPY sql ./sql
# Cargo reads the targets of the manifest even when it does not build them. The wildcards allow a missing folder.
COPY tests* ./tests/
COPY benches* ./benches/
# `--build-arg FEATURES=kafka-tls` for TLS, SCRAM and OAUTHBEARER.
ARG FEATURES=""
RUN cargo build --release --locked --bin foreshock --features "$FEATURES"

FROM debian:trixie-slim
RUN useradd --system --no-create-home foreshock
WORKDIR /opt/foreshock
COPY --from=build /build/target/release/foreshock /usr/local/bin/foreshock
COPY LICENSE ./
COPY sql ./sql
USER foreshock
EXPOSE 9464
ENTRYPOINT ["foreshock"]
CMD ["run", "--config", "/etc/foreshock/foreshock.toml"]
