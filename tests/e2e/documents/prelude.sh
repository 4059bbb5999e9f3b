# What every page's shell begins with. The functions do what a person sees at a terminal, or wait where a person would.
set -euo pipefail
# Settings of whoever runs the tests do not count.
for name in ${!JOBBER_@} ${!GATEWAY_@} ${!ADMIN_@} ${!RUNNER_@} ${!LOG_@}; do
  case " $KEEP " in *" $name "*) ;; *) unset "$name" ;; esac
done
shopt -s expand_aliases

# A page that shows a failure says so by `curl -i`, or takes the status for what it is.
curl() { command curl --silent --show-error ${CURL_STRICT---fail-with-body} "$@"; }

# Tries a command until it succeeds, for half a minute.
eventually() {
  local tries=0
  until "$@" > "$PAGE/.try" 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 300 ]; then
      echo "not within 30 s: $*" >&2
      cat "$PAGE/.try" >&2
      return 1
    fi
    sleep 0.1
  done
}

answers() { command curl --silent --fail --output /dev/null "$1"; }

# Whether a trigger of a job is as it should be, for example connected.
healthy() {
  command curl --silent -H "Authorization: Bearer $TOKEN" "$JOBBER_URL/api/job/$1/triggers/$2/status" | grep -q '"healthy"'
}

# Publishes a module of the page as the job NAME, which answers on /NAME, or has the triggers that are given.
package() {
  local triggers=${2:-"[{\"type\": \"http\", \"path\": \"/$1\"}]"}
  printf '{"name": "%s", "version": "%s", "type": "module", "main": "./index.js", "triggers": %s}' \
    "$1" "${3:-1.0.0}" "$triggers" > "$1/package.json"
  jobber publish "$1"
}

# Notes how long it has taken to come here.
begin=$EPOCHREALTIME
first_answer() { awk "BEGIN { printf \"%.1f\\n\", $EPOCHREALTIME - $begin }" > "$PAGE/.first-answer"; }

# The background's processes end with the page. What is not shown otherwise is when the page fails.
end() {
  local status=$?
  if [ "$status" != 0 ]; then tail --lines 20 "$PAGE/.hidden" "$PAGE/.background" 2> /dev/null || true; fi
  kill $(jobs -p) 2> /dev/null || true
  wait
  exit "$status"
}
trap end EXIT
