#!/usr/bin/env bash
# Is a key ever in an agent's hands? An agent in `remit run` uses a secret through the proxy, its system says the key back in
# every common encoding and in pieces of three bytes, and the agent's processes are searched from outside: memory, environment,
# command line. Then the search is shown to find what the agent does hold, and a planted key.
#
#   e2e/egress/memory.sh [REMIT]        (target/debug/remit)
#
# Needs root: for /etc/hosts and to read another process. Else it is skipped.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
remit=$(realpath "${1:-$here/../../target/debug/remit}")
[[ -x $remit ]] || { echo "no \`$remit\`: build it with \`cargo build -p remit-cli\`"; exit 2; }
if ! { ((EUID == 0)) && [[ -w /etc/hosts ]] && command -v openssl python3 curl >/dev/null; }; then
  echo "SKIPPED: needs root (to read another process), openssl, curl and python3"
  exit 77
fi
host=memory.remit.test
work=$(mktemp -d)
pids=()
cleanup() {
  touch "$work/go"
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  grep -v "$host" /etc/hosts >"$work/hosts"
  cat "$work/hosts" >/etc/hosts
  rm -rf "$work"
}
trap cleanup EXIT
echo "127.0.0.1 $host" >>/etc/hosts

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
upstream=$(free) agents=$(free)
export XDG_DATA_HOME=$work/data XDG_CONFIG_HOME=$work/config XDG_RUNTIME_DIR=$work/run
mkdir -p "$work"/{data,config/remit,run} && chmod 700 "$work/run"
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${key[@]}" -days 2 -subj "/CN=upstream authority" -keyout "$work/ca.key" \
  -out "$work/config/remit/ca.pem" 2>/dev/null
openssl req "${key[@]}" -subj "/CN=$host" -keyout "$work/key.pem" -out "$work/leaf.csr" 2>/dev/null
printf 'subjectAltName=DNS:%s\nbasicConstraints=critical,CA:FALSE\n' "$host" >"$work/leaf.ext"
openssl x509 -req -in "$work/leaf.csr" -CA "$work/config/remit/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
  -extfile "$work/leaf.ext" -out "$work/leaf.pem" 2>/dev/null
cat >"$work/config/remit/remit.toml" <<TOML
[listen]
address = "127.0.0.1:$agents"
[egress]
ca_file = "ca.pem"
[systems.web]
kind = "http"
hosts = ["$host"]
port = $upstream
allow_private = true
TOML
python3 "$here/echo.py" "$upstream" "$work/leaf.pem" "$work/key.pem" "$work/log" &
pids+=($!)
"$remit" up >"$work/up.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
  "$remit" system list 2>/dev/null | grep -q "$host" && break
  sleep 0.1
done
# Odd characters, so that its encodings differ from it.
secret="sk/live+$(openssl rand -hex 12)==~"
printf '%s' "$secret" | "$remit" secret add web-key --system web >"$work/added" 2>&1 || { cat "$work/added"; exit 1; }

cat >"$work/agent.py" <<AGENT
import os, subprocess, time, urllib.request
url = "https://$host:$upstream"
placeholder = os.environ["WEB_KEY"]
held = []
for path in ("/one", "/two", "/three"):
    asked = urllib.request.Request(url + path, headers={"Authorization": "Bearer " + placeholder})
    with urllib.request.urlopen(asked) as answer:
        held.append((dict(answer.headers), answer.read()))
held.append(subprocess.run(["curl", "-sS", "-i", "-H", "Authorization: Bearer " + placeholder, url + "/curl"], capture_output=True).stdout)
marker = "held-by-the-agent-" + str(6 * 7)
print(held[0], held[-1], flush=True)
open("$work/ready", "w").write(str(os.getpid()))
child = subprocess.Popen(["sleep", "1000"])
while not os.path.exists("$work/go"):
    time.sleep(0.1)
child.kill()
AGENT
"$remit" run --intent "use the key" --allow 'web/*' --resource "web:$host" --ttl 10m -- python3 "$work/agent.py" \
  >"$work/said" 2>"$work/notes" &
pids+=($!)
for _ in $(seq 300); do [[ -s $work/ready ]] && break; sleep 0.1; done
agent=$(cat "$work/ready" 2>/dev/null) || { echo "the agent did not get ready:"; cat "$work/notes" "$work/said" "$work/up.log" | tail -30; exit 1; }
tree() { local pid; for pid in $(cat "/proc/$1/task/"*/children 2>/dev/null); do echo "$pid"; tree "$pid"; done; }
mapfile -t all < <(echo "$agent"; tree "$agent")

failed=0
check() {
  local what=$1 wanted=$2 status
  shift 2
  "$@"
  status=$?
  if ((status == wanted)); then printf '%-52s ok\n' "$what"; else printf '%-52s FAILED (status %s)\n' "$what" "$status"; failed=1; fi
}
used=$(grep -c -F "$secret" "$work/log")
check "the system saw the key with each of four requests" 0 test "$used" -eq 4
printf '%s\n' "$secret" >"$work/unwanted"
grep -aoE 'remit-placeholder-[0-9a-f]{32}' "/proc/$agent/environ" | sort -u >"$work/wanted"
echo 'held-by-the-agent-42' >>"$work/wanted"
check "the agent's processes (${#all[@]}) hold no form of it" 0 python3 "$here/search.py" "$work/wanted" "$work/unwanted" "${all[@]}"
printf 'held-by-the-agent-42\n' >"$work/planted"
check "the search finds what is there" 3 python3 "$here/search.py" "$work/wanted" "$work/planted" "${all[@]}"
if grep -q -F "$secret" "$work/said" "$work/notes"; then echo "the answers carry the key"; failed=1; fi
exit $failed
