#!/bin/sh
# Starts the broker with one account, `jobber`, whose password is in a file. The broker wants it hashed, in a file of its own.
set -eu
umask 077
printf 'jobber:%s\n' "$(cat /run/secrets/password)" >/tmp/passwords
# In place: the password is on no command line.
mosquitto_passwd -U /tmp/passwords
exec mosquitto -c /mosquitto/config/mosquitto.conf
