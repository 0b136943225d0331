#!/usr/bin/env bash
# Runs the `auth` scenarios of the MCP conformance suite against Remit as the client of an upstream server
# (examples/upstream_oauth.rs: a whole engine, a person, an agent) and prints a line per scenario. Exit 1 iff one fails that
# is not in conformance/client_not_supported.txt, or one passes that is.
#
#   e2e/conformance_client.sh [--short] [SCENARIO…]
#
# --short   six scenarios, one revision
# CLIENT    the built example (target/debug/examples/upstream_oauth)
set -euo pipefail

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
client=${CLIENT:-$(dirname "$e2e")/target/debug/examples/upstream_oauth}
eval "$("$e2e/tools.sh")"
short=(metadata-var2 basic-cimd scope-step-up authorization-server-migration iss-wrong-issuer token-endpoint-auth-basic)
both=(metadata-default metadata-var1 metadata-var2 metadata-var3 basic-cimd scope-from-www-authenticate
  scope-from-scopes-supported scope-omitted-when-undefined scope-step-up scope-retry-limit token-endpoint-auth-basic
  token-endpoint-auth-post token-endpoint-auth-none pre-registration)
modern=(resource-mismatch offline-access-scope offline-access-not-supported authorization-server-migration iss-supported
  iss-not-advertised iss-supported-missing iss-wrong-issuer iss-unexpected iss-normalized metadata-issuer-mismatch)
extensions=(client-credentials-jwt client-credentials-basic enterprise-managed-authorization dpop dpop-nonce wif-jwt-bearer)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
# one REVISION SCENARIO [OPTION…]
one() {
  local revision=$1 name=$2 log=$work/log known=0
  shift 2
  grep -q "^$name " "$e2e/conformance/client_not_supported.txt" && known=1
  if RUST_BACKTRACE=0 timeout 120 "$NODE" "$CONFORMANCE" client --command "$client" --scenario "auth/$name" \
    --spec-version "$revision" --timeout 90000 -o "$work/out" "$@" >"$log" 2>&1 && grep -aq 'OVERALL: PASSED' "$log"; then
    printf '%-10s %s %s %s\n' ok "$revision" "$name" "$(grep -a '^Passed:' "$log" | head -1)"
    ((known == 0)) || { echo "FAILED     $name passes: take it out of client_not_supported.txt"; status=1; }
  elif ((known)); then
    printf '%-10s %s %s\n' known "$revision" "$name"
  else
    printf '%-10s %s %s\n' FAILED "$revision" "$name"
    grep -a 'FAILURE\|Error:' "$log" | head -5 || true
    status=1
  fi
}

if [[ ${1:-} == --short ]]; then
  for name in "${short[@]}"; do one 2026-07-28 "$name"; done
elif (($#)); then
  for name; do one 2026-07-28 "$name" --force; done
else
  for revision in 2025-11-25 2026-07-28; do
    for name in "${both[@]}"; do one "$revision" "$name"; done
  done
  for name in "${modern[@]}"; do one 2026-07-28 "$name"; done
  for name in "${extensions[@]}"; do one 2026-07-28 "$name" --force; done
fi
exit "$status"
