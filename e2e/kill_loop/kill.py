#!/usr/bin/env python3
"""Kills `remit up` with SIGKILL while it makes, uses and ends database roles, again and again, and counts what is left behind.

One kill: workers open tasks, query a real PostgreSQL under the role of each task, and end them; at a random moment the
process is killed. What roles of ours exist now is counted (some must, over all rounds, or the silence means nothing). Then
it is started again, and within a bound no role of an earlier process may be left, nor a session of one.

At the end no lease may be open, and the ledger must verify.

    kill.py REMIT [--kills N]      5 kills when nothing is said; 200 is the long form
"""

import argparse
import glob
import http.client
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

WORKERS = 8
# From the start of the new process to the last role of the old one, in seconds.
GONE_S = 30


class Skip(Exception):
    """This machine cannot do it."""


def programs():
    """The folder with PostgreSQL's programs."""
    for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True) + os.environ["PATH"].split(":"):
        if all(os.access(f"{folder}/{name}", os.X_OK) for name in ("initdb", "postgres", "psql", "pg_isready")):
            return folder
    raise Skip("no PostgreSQL on this machine (install postgresql)")


class Cluster:
    """A PostgreSQL of its own on a Unix socket."""

    def __init__(self, folder):
        self.bin, self.folder = programs(), folder
        # PostgreSQL refuses to run as root.
        owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        made = subprocess.run(
            [f"{self.bin}/initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D", f"{folder}/data"],
            capture_output=True, text=True, cwd=folder, **self.user,
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb: {made.stderr}")
        self.server = subprocess.Popen(
            [f"{self.bin}/postgres", "-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off",
             "-c", "max_connections=200"],
            stdout=open(f"{folder}/log", "w"), stderr=subprocess.STDOUT, cwd=folder, **self.user,
        )
        while subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", folder]).returncode != 0:
            if self.server.poll() is not None:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.05)

    def sql(self, text):
        done = subprocess.run(
            [f"{self.bin}/psql", "-X", "-A", "-t", "-h", self.folder, "-U", "postgres", "-c", text],
            capture_output=True, text=True, check=True,
        )
        return done.stdout.strip()

    def left(self):
        """Roles of tasks that exist, and sessions that are open under such a name."""
        return int(self.sql(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'remit\\_%') "
            "+ (SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'remit\\_%')"
        ))

    def stop(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait(timeout=30)


class Remit:
    """The program under test, in folders of its own."""

    def __init__(self, program, folder, cluster):
        self.program, self.folder = program, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "REMIT_"))}
        self.env = keep | {f"XDG_{kind}_HOME": f"{folder}/{kind.lower()}" for kind in ("DATA", "CONFIG", "STATE")}
        self.env |= {"XDG_RUNTIME_DIR": f"{folder}/runtime", "USER": "alice"}
        pathlib.Path(f"{folder}/runtime").mkdir(mode=0o700)
        config = pathlib.Path(f"{folder}/config/remit")
        config.mkdir(parents=True)
        (config / "remit.toml").write_text(
            f'[listen]\naddress = "127.0.0.1:{self.port}"\n'
            f'[databases.erp]\nsocket = "{cluster.folder}"\ndatabase = "postgres"\nuser = "postgres"\n'
        )
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "up"], env=self.env, stdout=open(f"{self.folder}/up.log", "a"), stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"`remit up` ended:\n{self.log()}")
            if self.cli("task", "list", check=False) is not None:
                return
            time.sleep(0.05)
        raise RuntimeError(f"`remit up` was not ready within a minute:\n{self.log()}")

    def log(self):
        return pathlib.Path(f"{self.folder}/up.log").read_text()[-3000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def cli(self, *words, check=True):
        """What a command prints, as JSON; nothing when it fails and that is no fault."""
        done = subprocess.run([self.program, "--json", *words], capture_output=True, text=True, env=self.env, timeout=60)
        if done.returncode != 0:
            if check:
                raise RuntimeError(f"`remit {' '.join(words)}`: {done.stdout}{done.stderr}")
            return None
        return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "{["]

    def query(self, token, statement):
        """One `db.query`; true when rows came back."""
        params = {
            "name": "db.query", "arguments": {"sql": statement},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}},
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/mcp/erp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}), {
                "Authorization": f"Bearer {token}", "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
                "Mcp-Method": "tools/call", "Mcp-Name": "db.query",
            })
            answer = connection.getresponse().read().decode()
            return '"isError":false' in answer
        finally:
            connection.close()


class Load:
    """Workers that open tasks, query, and end them, until they are told to stop."""

    def __init__(self, remit):
        self.remit, self.stopping, self.done = remit, threading.Event(), 0
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.stopping.is_set():
            # Whatever a kill breaks off is what this is about.
            try:
                opened = self.remit.cli(
                    "task", "open", "--agent", "coder", "--intent", "look", "--allow", "erp/db.query",
                    "--resource", "erp:public/t", "--ttl", "10m", check=False,
                )
                if not opened:
                    continue
                if self.remit.query(opened[0]["token"], "SELECT id FROM t"):
                    self.done += 1
                # Every other one is left open: its role lives when the process dies.
                if random.random() < 0.5:
                    self.remit.cli("task", "done", opened[0]["task"], check=False)
            except (OSError, http.client.HTTPException, subprocess.TimeoutExpired):
                continue

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("remit")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    random.seed(options.seed)
    work = tempfile.mkdtemp(prefix="remit-kill-")
    os.chmod(work, 0o711)
    cluster = remit = load = None
    try:
        os.mkdir(f"{work}/pg")
        cluster = Cluster(f"{work}/pg")
        cluster.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)")
        os.mkdir(f"{work}/remit")
        remit = Remit(os.path.abspath(options.remit), f"{work}/remit", cluster)
        remit.start()
        remit.cli("agent", "add", "coder", "--owner", "alice")
        alive, queries, slowest = 0, 0, 0.0
        for number in range(options.kills):
            load = Load(remit)
            time.sleep(random.uniform(0.3, 2.5))
            remit.kill()
            load.stop()
            queries += load.done
            there = cluster.left()
            alive += there
            start = time.monotonic()
            remit.start()
            while cluster.left() > 0:
                if time.monotonic() - start > GONE_S:
                    print(f"FAILED: kill {number + 1} (seed {options.seed}): roles are left after {GONE_S} s:\n"
                          f"{cluster.sql('SELECT rolname FROM pg_roles')}\n{remit.log()}")
                    return 1
                time.sleep(0.05)
            took = time.monotonic() - start
            slowest = max(slowest, took)
            print(f"kill {number + 1}: {there} roles and sessions alive after it, none {took:.2f} s after the start", flush=True)
        if alive == 0 or queries == 0:
            print("FAILED: no role was ever alive when the process died: this proves nothing")
            return 1
        leases = remit.cli("leases", "--open")
        flat = [lease for line in leases for lease in (line if isinstance(line, list) else [line])]
        # A row may follow its role by a sweep.
        deadline = time.monotonic() + GONE_S
        while flat and time.monotonic() < deadline:
            time.sleep(0.5)
            flat = [lease for line in remit.cli("leases", "--open") for lease in (line if isinstance(line, list) else [line])]
        if flat:
            print(f"FAILED: leases that are not over: {flat}")
            return 1
        if subprocess.run([remit.program, "verify"], env=remit.env, capture_output=True).returncode != 0:
            print("FAILED: the ledger does not verify")
            return 1
        print(f"{options.kills} kills, {queries} queries, {alive} roles and sessions alive at a kill, 0 orphans; "
              f"the last gone at most {slowest:.2f} s after a start")
        return 0
    except Skip as why:
        print(f"SKIPPED: {why}")
        return 77
    finally:
        if load:
            load.stopping.set()
        if remit and remit.process and remit.process.poll() is None:
            remit.process.send_signal(signal.SIGTERM)
            try:
                remit.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                remit.process.kill()
        if cluster:
            cluster.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
