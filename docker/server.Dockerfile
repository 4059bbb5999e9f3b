# The image of Jobber's server. Its context is the repository's root.
#
# Target `server` (the default) compiles Jobber and needs BuildKit, which `docker compose build` uses. Target `prebuilt` takes
# a binary from target/image/jobber: `cargo xtask images` builds that one, with any builder. Both have the admin panel in the program.

ARG NODE_IMAGE=node:24-bookworm-slim

FROM debian:trixie-slim AS postgres-client
# Of the package only the programs for backups; what it depends on would bring Perl. Debian 13's is PostgreSQL 17, as the
# compose file's server is: a pg_dump refuses a server that is newer than itself.
WORKDIR /package
RUN apt-get update -qq \
 && apt-get download postgresql-client-17 \
 && dpkg -x postgresql-client-17_*.deb .

FROM debian:trixie-slim AS base
# The authorities that TLS trusts, and what pg_dump links to.
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends ca-certificates libpq5 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=postgres-client /package/usr/lib/postgresql/17/bin/pg_dump /package/usr/lib/postgresql/17/bin/pg_restore /usr/local/bin/
# A fixed id, so that operators can give it rights on a folder. No set-id bit stays, and the programs must find their libraries.
RUN groupadd --gid 10000 jobber \
 && useradd --uid 10000 --gid jobber --home-dir /var/lib/jobber --no-create-home --shell /usr/sbin/nologin jobber \
 && install --directory --owner=jobber --group=jobber --mode=0700 /var/lib/jobber /var/backups/jobber \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && pg_dump --version \
 && pg_restore --version
COPY docker/server/entrypoint.sh docker/server/secrets.sh /opt/jobber/
# Whatever umask the checkout had.
RUN chmod 0755 /opt/jobber /opt/jobber/*.sh
ENV JOBBER_DATA=/var/lib/jobber
EXPOSE 3000 3001 5211
VOLUME /var/lib/jobber
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/local/bin/jobber", "healthcheck"]
ENTRYPOINT ["/opt/jobber/entrypoint.sh"]
CMD ["serve"]

FROM base AS prebuilt
COPY target/image/jobber /usr/local/bin/jobber
RUN jobber --version

FROM ${NODE_IMAGE} AS panel
WORKDIR /source/ui
# As long as the lock file stays, so do the packages. None of them needs a script of its own, and none gets to run one.
COPY ui/package.json ui/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY docs/reference /source/docs/reference
COPY ui .
RUN npm run --silent build

FROM rust:1.95-trixie AS build
WORKDIR /source
COPY . .
# What the program takes its panel from. One that a checkout has built stays out of the context: it may be older than its sources.
COPY --from=panel /source/ui/dist ui/dist
# Dependencies and what is compiled of them stay in the builder's caches, so that a change of Jobber compiles only Jobber.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target,sharing=locked \
    cargo build --locked --release --package jobber --bin jobber \
 && strip --output-file /jobber target/release/jobber

FROM base AS server
COPY --from=build /jobber /usr/local/bin/jobber
RUN jobber --version
