#!/usr/bin/env bash
# Stock clients inside `remit run`, each asked for one page over HTTPS without any setting of its own: does it go through the
# proxy, and does it trust the run's certificate authority? Prints one line per client; exit 1 if one that is here does not.
# Then the run is given another system: refused in words before, reached after, by a client that is started afterwards.
#
#   e2e/egress/matrix.sh [REMIT]        (target/debug/remit)
#
# Names have to lead to this machine and not be excepted from proxies, so a line is added to /etc/hosts for the time of the
# run: needs root, else it is skipped.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
remit=$(realpath "${1:-$here/../../target/debug/remit}")
[[ -x $remit ]] || { echo "no \`$remit\`: build it with \`cargo build -p remit-cli\`"; exit 2; }
if ! { [[ -w /etc/hosts ]] && command -v openssl python3 >/dev/null; }; then
  echo "SKIPPED: needs root (for /etc/hosts), openssl and python3"
  exit 77
fi
hosts=(egress.remit.test later.remit.test)
host=${hosts[0]}
# shellcheck source=bed.sh
source "$here/bed.sh"
printf '[systems.later]\nkind = "http"\nhosts = ["later.remit.test"]\nport = %s\nallow_private = true\n' "$upstream" \
  >>"$work/config/remit/remit.toml"
up python3 "$here/upstream.py" "$upstream" "$work/leaf.pem" "$work/key.pem" "$work/log"

url=https://$host:$upstream
cat >"$work/clients.sh" <<CLIENTS
try() {
  local name=\$1; shift
  command -v "\$1" >/dev/null || { echo "\$name absent"; return; }
  timeout 60 "\$@" >"$work/out.\$name" 2>&1
  echo "\$name \$?"
}
try curl curl -sS -f "$url/curl"
try curl-http1.1 curl -sS -f --http1.1 "$url/curl1"
try python-urllib python3 -c "import urllib.request; urllib.request.urlopen('$url/urllib').read()"
python3 -c 'import requests' 2>/dev/null && try python-requests python3 -c "import requests; requests.get('$url/requests').raise_for_status()"
python3 -c 'import httpx' 2>/dev/null && try python-httpx python3 -c "import httpx; httpx.get('$url/httpx').raise_for_status()"
try npm npm view x --registry "$url/npm/" --fetch-retries=0
try pip python3 -m pip index versions x --index-url "$url/pip/" --retries 0 --disable-pip-version-check
node -e 'process.exit(+(process.versions.node.split(".")[0] < 24))' 2>/dev/null &&
  try node-fetch node -e "fetch('$url/node').then(r => process.exit(r.ok ? 0 : 1), e => { console.error(e); process.exit(1) })"
try git git ls-remote "$url/git/x"
true
CLIENTS
"$remit" run --intent "one page each" --allow 'web/*' --resource "web:$host" --ttl 10m -- bash "$work/clients.sh" >"$work/said" 2>"$work/notes"
status=$?
failed=0
while read -r name code; do
  case $name in curl) seen=/curl ;; curl-http1.1) seen=/curl1 ;; python-*) seen=/${name#python-} ;; node-fetch) seen=/node ;; *) seen=/$name ;; esac
  if [[ $code == absent ]]; then
    printf '%-16s not here\n' "$name"
  elif grep -q " $seen" "$work/log" 2>/dev/null; then
    printf '%-16s ok\n' "$name"
  else
    printf '%-16s FAILED (status %s)\n' "$name" "$code"
    tail -3 "$work/out.$name" | sed 's/^/    /'
    failed=1
  fi
done <"$work/said"
cat >"$work/amended.sh" <<AMENDED
ask() { curl -sS -m 20 -o /dev/null -w '%{http_connect} %{http_code}\n' "https://later.remit.test:$upstream/later" 2>&1 | tail -1; }
echo "before \$(ask)"
echo "\$REMIT_TASK" >"$work/task.new" && mv "$work/task.new" "$work/task"
until [[ -e "$work/amended" ]]; do sleep 0.1; done
for _ in \$(seq 50); do said=\$(ask); [[ \$said == '200 200' ]] && break; sleep 0.2; done
echo "after \$said"
AMENDED
"$remit" run --intent "one page more" --allow 'web/*' --resource "web:$host" --ttl 10m -- bash "$work/amended.sh" >"$work/more" 2>>"$work/notes" &
run=$!
for _ in $(seq 300); do [[ -s $work/task ]] && break; sleep 0.1; done
"$remit" task amend "$(cat "$work/task")" --add-tool 'later/*' --add-resource later:later.remit.test >>"$work/notes" 2>&1
touch "$work/amended"
wait "$run"
for said in 'before 403 000' 'after 200 200'; do
  if grep -qx "$said" "$work/more"; then
    printf '%-16s ok\n' "amended ${said%% *}"
  else
    printf '%-16s FAILED:\n' "amended ${said%% *}"
    sed 's/^/    /' "$work/more"
    failed=1
  fi
done
if ((status != 0)) || [[ ! -s $work/said ]]; then
  echo "the run failed with status $status:"
  tail -5 "$work/notes" "$work/up.log"
  failed=1
fi
exit $failed
