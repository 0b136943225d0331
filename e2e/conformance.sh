#!/usr/bin/env bash
# Runs the MCP conformance suite against the reference server directly and through Remit, for both requirement sets,
# and prints the difference scenario by scenario. Exit 1 iff a scenario that passes directly fails through and is not
# in conformance/denied_on_purpose.txt.
#
#   e2e/conformance.sh [--through gateway|shim|URL] [--out DIR] [--json]
#
# --through   gateway (default): a `remit up` of our own; shim: only the header shim, to test this script;
#             URL: a gateway that is already running in front of the reference server (token in TOKEN,
#             the server's URL in REFERENCE_URL)
# --out       keep the suite's result folders and the logs there
set -euo pipefail

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$e2e")
through=gateway out='' format=''
while (($#)); do
  case $1 in
    --through) through=${2:?--through needs a value}; shift ;;
    --out) out=${2:?--out needs a folder}; shift ;;
    --json) format=--json ;;
    *) sed -n '2,/^set /{/^#/p}' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
  esac
  shift
done

eval "$("$e2e/tools.sh")"
# shellcheck source=conformance/gateway.sh
source "$e2e/conformance/gateway.sh"

work=$(mktemp -d)
pids=()
cleanup() {
  stop_gateway
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [[ $work == "$out" ]] || rm -rf "$work"
}
trap cleanup EXIT
if [[ -n $out ]]; then
  mkdir -p "$out"
  rmdir "$work"
  work=$(cd "$out" && pwd)
  out=$work
  rm -rf "$work"/{direct,through,gateway} "$work"/*.log
fi

# serve NAME COMMAND…: starts a server that prints its URL; the URL goes to $url.
serve() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 &
  pids+=($!)
  wait_for_line "$work/$name.log" http:// $! || { echo "e2e: \`$name\` did not start" >&2; exit 1; }
  url=$(grep -m1 -o 'http://[^ ]*' "$work/$name.log")
}

if [[ -n ${REFERENCE_URL:-} ]]; then
  reference=$REFERENCE_URL
else
  serve reference "$NODE" --import "$e2e/fixtures/loader.mjs" "$e2e/fixtures/reference_server/server.mjs" 0
  reference=$url
fi
TOKEN=${TOKEN:-} MCP_URL=$reference
case $through in
  gateway)
    start_gateway "$work/gateway"
    add_server ref --url "$reference"
    open_task conformance ref
    MCP_URL=$GATEWAY/mcp/ref
    ;;
  shim) TOKEN=unused ;;
  http://*) MCP_URL=$through ;;
  *) echo "e2e: \`--through $through\` is none of gateway, shim, URL" >&2; exit 2 ;;
esac
serve shim env TOKEN="$TOKEN" "$NODE" "$e2e/conformance/shim.mjs" "$MCP_URL"
shim=$url

# suite REVISION URL FOLDER: the suite's own verdict does not matter here, only what it wrote down.
suite() {
  mkdir -p "$3"
  timeout 900 "$NODE" "$CONFORMANCE" server --url "$2" --requirements "$1" -o "$3" >"$3.log" 2>&1 || true
}

status=0
for revision in 2025-11-25 2026-07-28; do
  suite "$revision" "$reference" "$work/direct/$revision"
  suite "$revision" "$shim" "$work/through/$revision"
  "$NODE" "$e2e/conformance/diff.mjs" "$revision" "$work/direct/$revision" "$work/through/$revision" \
    "$e2e/conformance/denied_on_purpose.txt" ${format:+"$format"} || status=1
done
exit "$status"
