# Sourced by the checks beside it, with `here`, `remit` and `hosts` (the first is the system `web`) set: names that lead to this
# machine, an authority and a certificate for them, a configuration. Gives `work`, `upstream`, `agents`, `pids` and `up`.
# Whatever a check leaves running goes into `pids`; `at_end` may be defined anew.

work=$(mktemp -d)
pids=()
at_end() { :; }
cleanup() {
  at_end
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  # /etc/hosts may be a mount that cannot be replaced, only rewritten.
  grep -v "${hosts[@]/#/-e}" /etc/hosts >"$work/hosts"
  cat "$work/hosts" >/etc/hosts
  rm -rf "$work"
}
trap cleanup EXIT
printf '127.0.0.1 %s\n' "${hosts[@]}" >>/etc/hosts

# Both at once, so that they are two.
read -r upstream agents < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))')
export XDG_DATA_HOME=$work/data XDG_CONFIG_HOME=$work/config XDG_RUNTIME_DIR=$work/run
mkdir -p "$work"/{data,config/remit,run} && chmod 700 "$work/run"
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${key[@]}" -days 2 -subj "/CN=upstream authority" -keyout "$work/ca.key" \
  -out "$work/config/remit/ca.pem" 2>/dev/null
openssl req "${key[@]}" -subj "/CN=${hosts[0]}" -keyout "$work/key.pem" -out "$work/leaf.csr" 2>/dev/null
names=$(printf ',DNS:%s' "${hosts[@]}")
printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\n' "${names#,}" >"$work/leaf.ext"
openssl x509 -req -in "$work/leaf.csr" -CA "$work/config/remit/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
  -extfile "$work/leaf.ext" -out "$work/leaf.pem" 2>/dev/null
cat >"$work/config/remit/remit.toml" <<TOML
[listen]
address = "127.0.0.1:$agents"
[egress]
ca_file = "ca.pem"
[systems.web]
kind = "http"
hosts = ["${hosts[0]}"]
port = $upstream
allow_private = true
TOML

# up SERVER…: starts that server of the first host, and Remit; returns when Remit knows the system, and ends the check when
# it does not come.
up() {
  "$@" &
  pids+=($!)
  "$remit" up >"$work/up.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do
    "$remit" system list 2>/dev/null | grep -q "${hosts[0]}" && return
    sleep 0.1
  done
  echo "\`remit up\` did not get ready:"
  cat "$work/up.log"
  exit 1
}
