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
hosts=(memory.remit.test)
host=${hosts[0]}
# shellcheck source=bed.sh
source "$here/bed.sh"
at_end() { touch "$work/go"; }
up python3 "$here/echo.py" "$upstream" "$work/leaf.pem" "$work/key.pem" "$work/log"
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
