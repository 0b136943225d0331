#!/usr/bin/env bash
# Installs what the identity checks use (Python `spiffe`, OpenBao), at the versions of fixtures/tools, beside the other tools,
# and prints where they are: eval "$(e2e/identity/tools.sh)"
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wanted=$here/../fixtures/tools/identity-requirements.txt
folder=${REMIT_CACHE:-${HOME:?}/.cache/remit}/tools/identity
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9
if ! cmp -s "$wanted" "$folder/installed"; then
  rm -rf "$folder"
  "${REMIT_PYTHON:-python3}" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted" >&2
  cp "$wanted" "$folder/installed"
fi
printf "IDENTITY_PYTHON='%s'\nBAO='%s'\n" "$folder/bin/python" "$folder/bin/bao"
