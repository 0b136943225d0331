#!/usr/bin/env bash
# A stock stdio server that makes HTTP requests (`mcp-server-fetch`, from PyPI), contained: it fetches what its call names,
# over HTTPS and through the proxy without a setting of its own; a redirect to another host leads nowhere.
#
#   e2e/egress/contained.sh [REMIT]        (target/debug/remit)
#
# Names have to lead to this machine, so two lines are added to /etc/hosts for the time of the run: needs root, else it is
# skipped; so it is where networks cannot be taken away.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
remit=$(realpath "${1:-$here/../../target/debug/remit}")
[[ -x $remit ]] || { echo "no \`$remit\`: build it with \`cargo build -p remit-cli\`"; exit 2; }
if ! { [[ -w /etc/hosts ]] && command -v openssl python3 >/dev/null; }; then
  echo "SKIPPED: needs root (for /etc/hosts), openssl and python3"
  exit 77
fi
eval "$("$here/../tools.sh")" || exit 1
hosts=(fetch.remit.test elsewhere.remit.test)
host=${hosts[0]} other=${hosts[1]}
# shellcheck source=bed.sh
source "$here/bed.sh"
cat >"$work/pages.py" <<PAGES
import http.server, ssl
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("$work/log", "a", encoding="utf-8") as log:
            log.write(f"{self.headers.get('host')} {self.path}\n")
        moved = self.path == "/moved"
        body = b"" if moved else b"the page itself" if self.path != "/robots.txt" else b"User-agent: *\nAllow: /\n"
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("location", "https://$other:$upstream/secret")
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", $upstream), Pages)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("$work/leaf.pem", "$work/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PAGES
up python3 "$work/pages.py"
"$remit" mcp add fetch -- "$SERVER_FETCH" --allow-private-ips >"$work/added" 2>&1 || { cat "$work/added"; exit 1; }
"$remit" tools admit fetch/fetch --class read >>"$work/added" 2>&1
if "$remit" mcp list --json | grep -q '"network":"uncontained"'; then
  echo "SKIPPED: the network of a server cannot be taken away here"
  exit 77
fi
me=$("$remit" human list --json | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["name"])')
"$remit" agent add reader --owner "$me" >>"$work/added" 2>&1
opened=$("$remit" task open --agent reader --intent "read two pages" \
  --allow 'fetch/*' --allow 'web/*' --destination "host:$host" --ttl 10m --json) || { echo "$opened"; exit 1; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$opened"; }
export MCP_URL=http://127.0.0.1:$agents/mcp/fetch MCP_TOKEN
MCP_TOKEN=$(field token)
ask() { printf '{"op":"call_tool","name":"fetch","arguments":{"url":"%s","raw":true}}\n' "$1"; }
{ ask "https://$host:$upstream/page"; ask "https://$host:$upstream/moved"; } | "$here/../clients/run.sh" python >"$work/said" 2>"$work/notes"

failed=0
check() {
  local what=$1
  shift
  if "$@"; then printf '%-56s ok\n' "$what"; else printf '%-56s FAILED\n' "$what"; failed=1; fi
}
no() { ! "$@"; }
timeline=$("$remit" timeline "$(field task)" --json)
check "the page its call names is fetched" grep -q 'the page itself' "$work/said"
check "through the proxy, robots.txt first" grep -q "^$host:$upstream /robots.txt" "$work/log"
check "the redirect is not followed to another host" no grep -q "^$other" "$work/log"
check "each request is recorded with its cause" grep -q '"caused_by"' <<<"$timeline"
check "the other host is refused on record" grep -q "host:$other" <<<"$timeline"
((failed)) && tail -n 20 "$work/said" "$work/notes" "$work/up.log" "$work/added" "$work/log"
exit $failed
