#!/usr/bin/env bash
# Runs a stock MCP client: reads steps as JSON lines from standard input, prints what the client saw as JSON lines.
#
#   MCP_URL=http://127.0.0.1:7420/mcp/fs MCP_TOKEN=… e2e/clients/run.sh python|python1|ts|ts1|inspector < steps.jsonl
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
eval "$("$here/../tools.sh")"
node() { exec "$NODE" --import "$here/../fixtures/loader.mjs" "$@"; }
case ${1:-} in
  python) exec "$PYTHON" "$here/python_sdk.py" ;;
  python1) exec "$PYTHON1" "$here/python_sdk_v1.py" ;;
  ts) MCP_SDK=2 node "$here/ts_sdk.mjs" ;;
  ts1) MCP_SDK=1 node "$here/ts_sdk.mjs" ;;
  inspector) INSPECTOR=$INSPECTOR node "$here/inspector.mjs" ;;
  *) sed -n '2,4p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
esac
