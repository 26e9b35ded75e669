# Builds one static program into an image that holds nothing else: no shell, no package manager, no libc.
#
#   docker build -t clickbank-gateway .
#   docker run --rm clickbank-gateway demo

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# The target has to be named: without it, the flag would count for build scripts and procedural macros too, which cannot
# be static. Asking rustc for it makes the same file do for amd64 and arm64.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --bin clickbank-gateway --target "$target" \
 && mkdir -p /image/etc/ssl/certs /image/etc/clickbank-gateway /image/var/lib/clickbank-gateway /image/tmp \
 && cp "target/$target/release/clickbank-gateway" /image/clickbank-gateway \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 && chmod 1777 /image/tmp \
 && chown 65532:65532 /image/var/lib/clickbank-gateway

FROM scratch
COPY --from=build /image/ /
# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
WORKDIR /etc/clickbank-gateway
ENV CLICKBANK_GATEWAY_CONFIG=/etc/clickbank-gateway/gateway.toml
EXPOSE 7310 7311
# By address, not by configuration: a file that somebody is editing says nothing about the gateway that is running.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/clickbank-gateway", "health", "--address", "127.0.0.1:7311"]
ENTRYPOINT ["/clickbank-gateway"]
CMD ["serve"]
