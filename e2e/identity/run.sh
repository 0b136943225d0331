#!/usr/bin/env bash
# Identity judged by others' code: Python `spiffe` against the Workload API (inside `remit run` and outside), OpenSSL taking
# our X.509-SVID for mutual TLS, curl and OpenSSL as clients of our TLS listener (tokens bound to a certificate, RFC 8705), a
# real OpenBao taking our JWT-SVID through its jwt auth method against our bundle endpoint.
#
#   e2e/identity/run.sh [path of the remit binary]     else REMIT_BIN, else the debug build of this checkout
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
remit=$(realpath "${1:-${REMIT_BIN:-$here/../../target/debug/remit}}")
eval "$("$here/tools.sh")"
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
export XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run XDG_CONFIG_HOME=$work/config HOME=$work
mkdir -p -m 700 "$work"/{data,run,config,out}
free() { "$IDENTITY_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free) bao_port=$(free) tls_port=$(free) own_tls_port=$(free)
# Our own certificate, and two of nobody's for clients, all by OpenSSL.
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$1" \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
  chmod 600 "$work/$1.key"
}
for name in listener mine theirs; do certificate "$name"; done
printf 'correct horse\n' >"$work/secret"
cat >"$work/remit.toml" <<TOML
[listen]
address = "127.0.0.1:$port"
[listen.tls]
address = "127.0.0.1:$own_tls_port"
certificate = "$work/listener.pem"
key = "$work/listener.key"
[oauth.clients.ci]
agent = "bot"
initiator = "pipeline"
secret = "file:$work/secret"
[issuer]
svid_life = "8s"
ca_life = "1h"
TOML
"$remit" up --config "$work/remit.toml" >"$work/up.log" 2>&1 &
pids+=($!)
for _ in $(seq 200); do grep -q ready "$work/up.log" && break; sleep 0.1; done
grep -q ready "$work/up.log" || { cat "$work/up.log" >&2; exit 1; }

"$remit" agent add bot --owner "$("$remit" human list --json | "$IDENTITY_PYTHON" -c 'import json, sys; print(json.loads(sys.stdin.readline())["name"])')" >/dev/null
AGENT=bot TLS_PORT=$own_tls_port TLS_CA=$work/listener.pem "$remit" run --agent bot --intent 'show who it is' --destination other:vault --destination other:reports -- \
  "$IDENTITY_PYTHON" "$here/workload.py" "$work/out"
"$IDENTITY_PYTHON" "$here/outsider.py" "unix:$work/run/remit-agents/workload.sock"

# OpenSSL: a server that takes clients of our trust domain alone.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=server \
  -keyout "$work/server.key" -out "$work/server.pem" 2>/dev/null
openssl verify -CAfile "$work/out/bundle.pem" -no_check_time "$work/out/svid.pem" >/dev/null
echo 'ok OpenSSL: the X.509-SVID verifies against the bundle'
openssl s_server -accept "127.0.0.1:$tls_port" -cert "$work/server.pem" -key "$work/server.key" -no_check_time \
  -CAfile "$work/out/bundle.pem" -Verify 2 -verify_return_error -quiet >"$work/tls.log" 2>&1 &
pids+=($!)
sleep 0.5
handshake() { printf 'Q\n' | timeout 10 openssl s_client -connect "127.0.0.1:$tls_port" -no_check_time "$@" 2>&1; }
handshake -cert "$work/out/svid.pem" -key "$work/out/svid.key" | grep -q 'Verification\|Verify return code' 
grep -q 'alert\|error' "$work/tls.log" && { cat "$work/tls.log" >&2; exit 1; }
echo 'ok OpenSSL: mutual TLS with the X.509-SVID'
handshake -cert "$work/server.pem" -key "$work/server.key" >/dev/null || true
sleep 0.3
grep -q 'verify\|error\|alert' "$work/tls.log"
echo 'ok OpenSSL: a certificate of nobody is refused'

# curl and OpenSSL: our TLS listener. A token handed out over a certificate's connection is worth nothing over another's.
json() { "$IDENTITY_PYTHON" -c "import json, sys; print(json.load(sys.stdin)$1)"; }
tls=https://localhost:$own_tls_port
over() { # over CERTIFICATE|none CURL-ARGUMENTS…
  local shown=()
  [[ $1 == none ]] || shown=(--cert "$work/$1.pem" --key "$work/$1.key")
  shift
  curl --silent --max-time 20 --cacert "$work/listener.pem" "${shown[@]}" "$@"
}
"$remit" human add pipeline --kind system --role initiator >/dev/null
over none "$tls/.well-known/oauth-authorization-server" | json "['tls_client_certificate_bound_access_tokens']" | grep -qx True
token=$(over mine "$tls/oauth/token" -d grant_type=client_credentials -d client_id=ci --data-urlencode 'client_secret=correct horse' | json "['access_token']")
over mine "$tls/oauth/introspect" -d "token=$token" -d client_id=ci --data-urlencode 'client_secret=correct horse' |
  json "['cnf']['x5t#S256']" >"$work/bound"
openssl x509 -in "$work/mine.pem" -outform DER | openssl dgst -sha256 -binary | basenc --base64url | tr -d = | cmp - "$work/bound"
ask() { # ask CERTIFICATE TOKEN: the status of a call
  over "$1" --output /dev/null --write-out '%{http_code}' "$tls/mcp" -H "Authorization: Bearer $2" -H 'Content-Type: application/json' \
    -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: server/discover' \
    -d '{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'
}
[[ $(ask mine "$token") == 200 ]]
[[ $(ask theirs "$token") == 401 ]]
[[ $(ask none "$token") == 401 ]]
"$remit" findings --json | grep -q key_mismatch
"$remit" findings --json | grep -q proof_missing
echo 'ok curl: a token bound to a certificate works with that one alone, and misuse is a finding'
# OpenSSL's own client, speaking HTTP by hand.
by_openssl() { # by_openssl CERTIFICATE: the status line of a request with the bound token
  local body='{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'
  printf 'POST /mcp HTTP/1.1\r\nHost: localhost:%s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
    "$own_tls_port" "$token" "${#body}" "$body" |
    timeout 10 openssl s_client -connect "127.0.0.1:$own_tls_port" -CAfile "$work/listener.pem" -verify_return_error -quiet \
      -ign_eof -cert "$work/$1.pem" -key "$work/$1.key" 2>/dev/null | head -n 1 | tr -d '\r'
}
[[ $(by_openssl mine) == 'HTTP/1.1 200'* ]]
[[ $(by_openssl theirs) == 'HTTP/1.1 401'* ]]
echo 'ok OpenSSL: the same, by its own client'
# The certificate is renewed in place.
certificate listener
for _ in $(seq 100); do over none --output /dev/null "$tls/healthz" && break; sleep 0.2; done
over none --output /dev/null --fail "$tls/healthz"
echo 'ok curl: a renewed certificate is served without a restart'

# OpenBao: our JWT-SVID against our bundle endpoint.
export BAO_ADDR=http://127.0.0.1:$bao_port BAO_TOKEN=root
"$BAO" server -dev -dev-no-store-token -dev-root-token-id=root -dev-listen-address="127.0.0.1:$bao_port" >"$work/bao.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do "$BAO" status >/dev/null 2>&1 && break; sleep 0.1; done
"$BAO" auth enable jwt >/dev/null
"$BAO" write auth/jwt/config jwks_url="http://127.0.0.1:$port/.well-known/spiffe-bundle" jwt_supported_algs=ES256 >/dev/null
"$BAO" write auth/jwt/role/bot - >/dev/null <<'JSON'
{"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_claims": {"agent": "bot"}, "policies": ["default"]}
JSON
"$BAO" write -field=token auth/jwt/login role=bot jwt=@"$work/out/vault.jwt" >/dev/null
echo 'ok OpenBao: logged in with our JWT-SVID'
if "$BAO" write auth/jwt/login role=bot jwt=@"$work/out/reports.jwt" >/dev/null 2>&1; then
  echo 'OpenBao took a token for another audience' >&2
  exit 1
fi
echo 'ok OpenBao: a token for another audience is refused'

"$remit" verify >/dev/null
echo 'ok the ledger verifies'
