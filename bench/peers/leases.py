"""A PostgreSQL and an OpenBao beside it that makes roles in it, for the `leases` part: both on this machine, both ended when
standard input closes. Prints one JSON line with where they are.

leases.py FOLDER BAO
"""

import glob
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

folder, bao = sys.argv[1], sys.argv[2]
TOKEN = "root-token-of-the-bench"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def api(path, body):
    request = urllib.request.Request(
        f"{address}/v1/{path}", json.dumps(body).encode(), {"X-Vault-Token": TOKEN}, method="POST"
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return answer.read()


tools = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
if not tools or not os.access(bao, os.X_OK):
    sys.exit("no PostgreSQL, or no `bao` (e2e/tools.sh installs it)")
pg = tools[-1]
# PostgreSQL refuses to run as root, and its user has to reach the folder.
home = tempfile.mkdtemp(prefix="remit-bench-pg-")
owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
if owner:
    os.chown(home, owner.pw_uid, owner.pw_gid)
running = []
try:
    subprocess.run(
        [f"{pg}/initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", f"{home}/data"],
        check=True, capture_output=True, cwd=home, **user,
    )
    running.append(subprocess.Popen(
        [f"{pg}/postgres", "-D", f"{home}/data", "-k", home, "-c", "listen_addresses=", "-c", "max_connections=200"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home, **user,
    ))
    while subprocess.run([f"{pg}/pg_isready", "-q", "-h", home]).returncode != 0:
        time.sleep(0.05)
    table = "CREATE TABLE t (id int)"
    subprocess.run([f"{pg}/psql", "-q", "-h", home, "-U", "postgres", "-c", table], check=True, capture_output=True)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # A store on disk, as ours is: a development server keeps everything in memory.
    config = os.path.join(folder, "bao.hcl")
    with open(config, "w") as out:
        out.write(f"""storage "raft" {{
  path = "{folder}/bao"
  node_id = "one"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
api_addr = "{address}"
cluster_addr = "http://127.0.0.1:{free_port()}"
""")
    os.makedirs(f"{folder}/bao", exist_ok=True)
    running.append(subprocess.Popen(
        [bao, "server", f"-config={config}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"HOME": folder},
    ))
    for _ in range(200):
        try:
            started = json.loads(api("sys/init", {"secret_shares": 1, "secret_threshold": 1}))
            break
        except OSError:
            time.sleep(0.1)
    api("sys/unseal", {"key": started["keys"][0]})
    TOKEN = started["root_token"]
    # It elects itself first.
    for _ in range(200):
        try:
            api("sys/mounts/database", {"type": "database"})
            break
        except OSError:
            time.sleep(0.1)
    api("database/config/bench", {
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "bench",
        "connection_url": f"host={home} user=postgres dbname=postgres", "password_authentication": "scram-sha-256",
    })
    # What our own role has: a login with an end, and one table.
    api("database/roles/bench", {
        "db_name": "bench", "default_ttl": "1h", "max_ttl": "1h",
        "creation_statements": [
            "CREATE ROLE \"{{name}}\" LOGIN NOINHERIT CONNECTION LIMIT 4 PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"
            "GRANT USAGE ON SCHEMA public TO \"{{name}}\"; GRANT SELECT ON public.t TO \"{{name}}\";"
        ],
    })
    print(json.dumps({"socket": home, "bao": f"127.0.0.1:{port}", "token": TOKEN}), flush=True)
    sys.stdin.read()
finally:
    for process in reversed(running):
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    shutil.rmtree(home, ignore_errors=True)
