#!/usr/bin/env bash
# Independent OAuth clients and a person at a browser against a Remit of their own.
#
#   e2e/oauth/run.sh [login|stock|people|tokens|systems|conformance]…     all of them when none is named; SHOTS=DIR keeps screenshots
#
# Needs `chromium` (Debian's package); without it the parts with a browser are skipped, which is said aloud.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
eval "$("$here/../tools.sh")"
source "$here/../conformance/gateway.sh"
dir=$(mktemp -d)
PIDS=()
cleanup() {
  local pid
  for pid in ${PIDS[@]+"${PIDS[@]}"}; do kill "$pid" 2>/dev/null || true; done
  stop_gateway
  rm -rf "$dir"
}
trap cleanup EXIT
node() { timeout 240 "$NODE" --import "$here/../fixtures/loader.mjs" "$@"; }
has_browser() { command -v chromium chromium-browser >/dev/null; }

# start CONFIG-LINES…: a Remit with our clients, the stock filesystem server over some notes, and two people.
start() {
  local port
  remit=$(remit_bin)
  export REMIT_BIN=$remit
  port=$(free_port)
  mkdir -p "$dir"/{data,config,state,runtime,notes}
  chmod 700 "$dir/runtime"
  export XDG_DATA_HOME=$dir/data XDG_CONFIG_HOME=$dir/config XDG_STATE_HOME=$dir/state XDG_RUNTIME_DIR=$dir/runtime
  export GATEWAY=http://127.0.0.1:$port NOTES=$dir/notes NOTE=$dir/notes/note.txt REMIT_ORIGIN=http://127.0.0.1:$port
  echo 'this is a note' >"$NOTE"
  printf 'correct horse\n' >"$dir/secret"
  {
    printf '[listen]\naddress = "127.0.0.1:%s"\n\n' "$port"
    cat "$here/clients.toml"
    cat
  } | sed "s|@DIR@|$dir|g; s|@PORT@|$port|g" >"$dir/remit.toml"
  # The person at this machine.
  USER=alice "$remit" up --config "$dir/remit.toml" >"$dir/up.log" 2>&1 &
  GATEWAY_PID=$!
  wait_for_line "$dir/up.log" ready "$GATEWAY_PID"
  setup_log=$dir/setup.log
  ME=$("$remit" human list --json | head -n 1 | "$PYTHON" -c 'import json, sys; print(json.loads(sys.stdin.readline())["name"])')
  export ME
  for name in alice bob; do
    "$remit" human add "$name" --role initiator --role administrator --json >>"$setup_log" 2>&1 || true
  done
  "$remit" human add pipeline --kind system --role initiator --json >>"$setup_log"
  "$remit" agent add builder --owner "$ME" --json >>"$setup_log"
  "$remit" mcp add fs -- "$NODE" "$SERVER_FILESYSTEM" "$NOTES" >>"$setup_log"
  "$remit" tools admit --server fs --all --json >>"$setup_log" 2>&1 || true
}

total=0
run() {
  local name=$1
  echo "== $name"
  "part_$name" || total=1
  stop_gateway
  rm -rf "${dir:?}"/*
}

part_login() {
  has_browser || { echo 'SKIPPED: no chromium: `apt-get install chromium`'; return 0; }
  start </dev/null
  node "$here/login.mjs"
}

# The Python SDK and the MCP Inspector, each with its own sign-in.
part_stock() {
  has_browser || { echo 'SKIPPED: no chromium: `apt-get install chromium`'; return 0; }
  start </dev/null
  HERE=$here PYTHON=$PYTHON INSPECTOR=$INSPECTOR node "$here/stock.mjs"
}

part_tokens() {
  local platform
  platform=$(free_port)
  export PLATFORM=http://127.0.0.1:$platform
  "$PYTHON" "$here/keys.py" "$dir"
  start <<TOML
[oauth.subjects.platform]
initiator = "pipeline"
issuer = "$PLATFORM"
allow_private = true
audience = "remit"
claims = { repository = "acme/web" }

[attest.mesh]
trust_domain = "acme"
file = "@DIR@/mesh.jwks"
audience = "remit"
spiffe_id = "spiffe://acme/ci"
agent = "builder"

[oauth.clients.deployer]
spiffe_id = "spiffe://acme/ci/*"
agent = "builder"
initiator = "pipeline"
TOML
  DIR=$dir node "$here/tokens.mjs"
}

part_people() {
  has_browser || { echo 'SKIPPED: no chromium: `apt-get install chromium`'; return 0; }
  local provider
  provider=$(free_port)
  export PROVIDER=http://127.0.0.1:$provider
  start <<TOML
[oidc]
issuer = "$PROVIDER"
client_id = "remit"
client_secret = "file:@DIR@/secret"
scopes = ["openid", "email", "groups"]
allow_private = true

[oidc.roles]
developers = ["initiator"]
reviewers = ["approver", "auditor"]
platform = ["administrator"]
TOML
  node "$here/provider.mjs" &
  PIDS+=($!)
  node "$here/people.mjs"
}

# An API behind a person's login, at a provider that rotates refresh tokens.
part_systems() {
  local provider
  provider=$(free_port)
  export ROTATING=http://127.0.0.1:$provider
  install -m 600 /dev/stdin "$dir/client-secret" <<<'correct horse'
  cat >"$dir/crm.toml" <<'TOML'
title = "Who I am"
credentials = [{ header = "authorization", schemes = ["bearer"] }]
[[operations]]
name = "me"
call = "GET /me"
class = "read"
resources = ["people"]
TOML
  start <<TOML
[systems.crm]
description = "@DIR@/crm.toml"
hosts = ["127.0.0.1"]
scheme = "http"
port = $provider
allow_private = true

[credentials.crm-login]
backend = "oauth"
system = "crm"
issuer = "$ROTATING"
client_id = "remit-systems"
client_secret_file = "@DIR@/client-secret"
scopes = "openid email offline_access"

[hold]
wait = "200ms"
TOML
  node "$here/rotating.mjs" &
  PIDS+=($!)
  for _ in $(seq 100); do
    "$PYTHON" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "$ROTATING/counts" 2>/dev/null && break
    sleep 0.1
  done
  "$PYTHON" "$here/systems.py"
}

part_conformance() {
  start </dev/null
  # What the suite has for authorization servers: metadata and PKCE as MCP wants them.
  "$NODE" "$CONFORMANCE" authorization --url "$GATEWAY"
}

parts=("$@")
((${#parts[@]})) || parts=(login stock tokens people systems conformance)
for part in "${parts[@]}"; do run "$part"; done
exit "$total"
