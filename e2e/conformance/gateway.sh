# Sourced by conformance.sh and by clients/matrix.sh: a gateway of its own, with everything admitted.
#
#   start_gateway DIR          data, sockets and logs lie below DIR; sets GATEWAY_PID and GATEWAY (its origin)
#   add_server NAME --url URL | -- COMMAND…
#   open_task TEMPLATE SERVER  sets TOKEN; the servers answer at $GATEWAY/mcp/NAME
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
  local dir=$1 port
  remit=$(remit_bin) || return 1
  port=$(free_port)
  setup_log=$dir/setup.log
  mkdir -p "$dir"/{data,config,state,runtime}
  chmod 700 "$dir/runtime"
  export XDG_DATA_HOME=$dir/data XDG_CONFIG_HOME=$dir/config XDG_STATE_HOME=$dir/state XDG_RUNTIME_DIR=$dir/runtime
  cat >"$dir/remit.toml" <<TOML
[listen]
address = "127.0.0.1:$port"
TOML
  "$remit" up --config "$dir/remit.toml" >"$dir/up.log" 2>&1 &
  GATEWAY_PID=$!
  wait_for_line "$dir/up.log" ready "$GATEWAY_PID" || { echo 'e2e: the gateway did not become ready' >&2; return 1; }
  GATEWAY=http://127.0.0.1:$port
  "$remit" human add tester --role initiator --role approver --json >>"$setup_log"
  "$remit" agent add stock --owner tester --json >>"$setup_log"
}

add_server() {
  "$remit" mcp add "$@" >>"$setup_log"
  "$remit" tools admit --server "$1" --all --class read --json >>"$setup_log"
}

open_task() {
  local task
  task=$("$remit" task open --agent stock --as tester --template "$1" --set "server=$2" --intent 'end-to-end checks' --json)
  TOKEN=$("$PYTHON" -c 'import json, sys; print(json.loads(sys.argv[1])["token"])' "$task")
}

# wait_for_line FILE TEXT PID: until FILE has a line with TEXT, while PID lives; 20 s at most.
wait_for_line() {
  local i
  for ((i = 0; i < 400; i++)); do
    grep -q -- "$2" "$1" 2>/dev/null && return 0
    kill -0 "$3" 2>/dev/null || break
    sleep 0.05
  done
  cat "$1" >&2 2>/dev/null || true
  return 1
}

stop_gateway() {
  [[ -n ${GATEWAY_PID:-} ]] || return 0
  kill "$GATEWAY_PID" 2>/dev/null || true
  wait "$GATEWAY_PID" 2>/dev/null || true
  GATEWAY_PID=
}
