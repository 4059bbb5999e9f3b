#!/bin/sh
# Runs `jobber` with its arguments as the user `jobber`, who has one right besides its own: the group of the Docker socket.
# Which group that is differs from host to host and is known only here, so the container starts as root, with no more
# capabilities than it takes to become someone else.
set -eu

# Started as another user already: the operator has decided what that user may do.
if [ "$(id -u)" != 0 ]; then
  exec /usr/local/bin/jobber "$@"
fi

groups=--clear-groups
case ${DOCKER_HOST:-unix:///var/run/docker.sock} in
unix://*)
  socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
  socket=${socket#unix://}
  if [ -S "$socket" ]; then
    groups=--groups=$(stat --format=%g "$socket")
  fi
  ;;
esac

exec setpriv --reuid=jobber --regid=jobber "$groups" --inh-caps=-all --no-new-privs /usr/local/bin/jobber "$@"
