#!/usr/bin/env bash
# Stock clients against stock stdio servers, directly and through Remit: every client follows the same plan
# (plans/SERVER.jsonl) on a fresh folder each time, and what it saw is compared. Exit 1 if anything differs.
#
#   e2e/clients/matrix.sh [--through gateway|nothing] [SERVER…]
#
# --through nothing   the direct way twice, to test this script
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
e2e=$(dirname "$here")
repo=$(dirname "$e2e")
through=gateway
if [[ ${1:-} == --through ]]; then
  through=${2:?--through needs a value}
  shift 2
fi
servers=("$@")
((${#servers[@]})) || servers=(filesystem git memory everything)

eval "$("$e2e/tools.sh")"
# shellcheck source=../conformance/gateway.sh
source "$e2e/conformance/gateway.sh"
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'

work=$(mktemp -d)
trap 'stop_gateway; rm -rf "$work"' EXIT
dir=$work/folder

# The same folder again: a repository with one file and one commit.
fresh_folder() {
  rm -rf "$dir"
  mkdir -p "$dir"
  git -C "$dir" init --quiet --initial-branch main
  echo one >"$dir/notes.txt"
  git -C "$dir" add .
  git -C "$dir" -c user.name=tester -c user.email=tester@example.org commit --quiet -m first
}

server_command() {
  case $1 in
    filesystem) words=("$NODE" "$SERVER_FILESYSTEM" "$dir") ;;
    git) words=("$SERVER_GIT" --repository "$dir") ;;
    memory) words=(env "MEMORY_FILE_PATH=$dir/memory.jsonl" "$NODE" "$SERVER_MEMORY") ;;
    everything) words=("$NODE" "$SERVER_EVERYTHING" stdio) ;;
    *) echo "e2e: no plan for a server \`$1\`" >&2; exit 2 ;;
  esac
}

json_array() { "$PYTHON" -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@"; }

# follow CLIENT REVISION SERVER OUTPUT, with MCP_URL or MCP_STDIO set
follow() {
  fresh_folder
  sed "s#@DIR@#$dir#g" "$here/plans/$3.jsonl" | MCP_REVISION=$2 timeout 120 "$here/run.sh" "$1" >"$4" 2>"$4.err" || true
}

fresh_folder
if [[ $through == gateway ]]; then
  start_gateway "$work/gateway"
  for server in "${servers[@]}"; do
    server_command "$server"
    add_server "$server" -- "${words[@]}"
  done
fi

status=0
for server in "${servers[@]}"; do
  server_command "$server"
  for run in 'python auto' 'python 2025-11-25' 'python1 default' 'ts auto' 'ts default' 'ts1 default' 'inspector default'; do
    read -r client revision <<<"$run"
    MCP_STDIO=$(json_array "${words[@]}") follow "$client" "$revision" "$server" "$work/direct.jsonl"
    if [[ $through == gateway ]]; then
      open_task conformance "$server" # a task of its own, so that no server process is shared between runs
      MCP_URL=$GATEWAY/mcp/$server MCP_TOKEN=$TOKEN follow "$client" "$revision" "$server" "$work/through.jsonl"
    else
      MCP_STDIO=$(json_array "${words[@]}") follow "$client" "$revision" "$server" "$work/through.jsonl"
    fi
    "$PYTHON" "$here/compare.py" "$server $client $revision" "$work/direct.jsonl" "$work/through.jsonl" || status=1
  done
done
exit "$status"
