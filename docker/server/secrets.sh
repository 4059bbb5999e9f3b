#!/bin/sh
# Makes the secrets of a new system, each in the volume of who needs it, and leaves those alone that are there.
#
# They are random, in files that only root and that one service's group can read, and are printed nowhere.
set -eu
umask 077

# 192 random bits in hexadecimal: nothing in them needs to be escaped anywhere.
random() {
  od -A n -N 24 -t x1 /dev/urandom | tr -d ' \n'
}

# keep FILE GROUP: writes its standard input to FILE unless that exists. A file appears whole, or not at all.
keep() {
  if [ -s "$1" ]; then
    cat >/dev/null
    return
  fi
  cat >"$1.new"
  chown "0:$2" "$1.new"
  chmod 0440 "$1.new"
  mv "$1.new" "$1"
  echo "made $1"
}

# The groups' numbers: Jobber's own image, and what the official images have.
jobber=10000 postgres=999 mosquitto=1883 grafana=0

for service in jobber postgres mosquitto grafana; do
  chmod 0755 "/secrets/$service"
done

random | keep /secrets/postgres/password "$postgres"
echo "postgresql://jobber:$(cat /secrets/postgres/password)@postgres:5432/jobber" |
  keep /secrets/jobber/database-url "$jobber"
random | keep /secrets/jobber/admin-password "$jobber"
random | keep /secrets/mosquitto/password "$mosquitto"
random | keep /secrets/grafana/password "$grafana"
