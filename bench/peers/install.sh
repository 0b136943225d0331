#!/usr/bin/env bash
# Installs the peers that are measured beside Remit, at the versions of requirements.txt, into
# ${REMIT_CACHE:-$HOME/.cache/remit}/peers, and prints where they are. Doing it twice is cheap.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${REMIT_CACHE:-${HOME:?}/.cache/remit}/peers
wanted=$(sha256sum "$here/requirements.txt" | cut -d' ' -f1)
if [[ $(cat "$peers/installed" 2>/dev/null) != "$wanted" ]]; then
  rm -rf "$peers"
  mkdir -p "$peers"
  python3 -m venv "$peers/contextforge" >&2
  "$peers/contextforge/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  printf '%s\n' "$wanted" >"$peers/installed"
fi
printf '%s\n' "$peers/contextforge"
