#!/usr/bin/env bash
# Recorded attacks and legitimate tasks through the real gateway (track T0), with the controls beside it.
# Usage: REMIT_BIN=… e2e/containment/run.sh [DATA…]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export REMIT_BIN=${REMIT_BIN:-${CARGO_TARGET_DIR:-$here/../../target}/debug/remit}
data=("$@")
((${#data[@]})) || data=("$here"/agentdojo_*.json)
for control in allow-all deny-all prompt-args; do
  echo "control: $control"
  python3 "$here/run_containment.py" "${data[@]}" --ref "$control"
done
echo 'remit, track T0'
exec python3 "$here/run_containment.py" "${data[@]}" --sut "python3 $here/sut.py"
