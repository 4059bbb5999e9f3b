#!/bin/sh
# Makes the data directory at the first start, then runs Postgres. Started as the user postgres.
set -eu
umask 077
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  # shellcheck disable=SC2086 # options, separated by spaces
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust \
    --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  # No address yet: whoever waits for the server must not meet it without its database.
  pg_ctl start --wait --silent --options="-c listen_addresses=''" >/dev/null
  createdb --username="$POSTGRES_USER" --maintenance-db=postgres "${POSTGRES_DB:-$POSTGRES_USER}"
  pg_ctl stop --wait --silent
fi
exec "$@"
