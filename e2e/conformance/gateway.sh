# Sourced by conformance.sh and by the client checks: starts a gateway of its own in front of one MCP server.
#
#   start_gateway DIR SERVER_URL    sets GATEWAY_PID, TOKEN, MCP_URL; data, sockets and logs lie below DIR
#   stop_gateway
#
# The only place that knows Remit's command line.

remit_bin() {
  local bin=${REMIT_BIN:-${CARGO_TARGET_DIR:-$repo/target}/debug/remit}
  [[ -x $bin ]] || { echo "e2e: no binary at \`$bin\`: run \`cargo build -p remit-cli\` or set REMIT_BIN" >&2; return 1; }
  printf '%s\n' "$bin"
}

free_port() {
  "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_gateway() {
  local dir=$1 server_url=$2 bin port task
  bin=$(remit_bin) || return 1
  port=$(free_port)
  mkdir -p "$dir"/{data,config,state,runtime}
  chmod 700 "$dir/runtime"
  export XDG_DATA_HOME=$dir/data XDG_CONFIG_HOME=$dir/config XDG_STATE_HOME=$dir/state XDG_RUNTIME_DIR=$dir/runtime
  cat >"$dir/remit.toml" <<TOML
[listen]
agents = "127.0.0.1:$port"
TOML
  "$bin" up --config "$dir/remit.toml" >"$dir/up.log" 2>&1 &
  GATEWAY_PID=$!
  wait_for_line "$dir/up.log" ready "$GATEWAY_PID" || { echo 'e2e: the gateway did not become ready' >&2; return 1; }

  "$bin" human add tester --role operator --json >>"$dir/setup.log"
  "$bin" agent add conf --owner tester --json >>"$dir/setup.log"
  "$bin" mcp add ref --url "$server_url" --json >>"$dir/setup.log"
  "$bin" tools admit ref --all --json >>"$dir/setup.log"
  task=$("$bin" task open --agent conf --as tester --template conformance --intent 'run the conformance suite' --json)
  TOKEN=$("$PYTHON" -c 'import json, sys; print(json.loads(sys.argv[1])["token"])' "$task")
  MCP_URL=http://127.0.0.1:$port/mcp/ref
}

stop_gateway() {
  [[ -n ${GATEWAY_PID:-} ]] || return 0
  kill "$GATEWAY_PID" 2>/dev/null || true
  wait "$GATEWAY_PID" 2>/dev/null || true
  GATEWAY_PID=
}
