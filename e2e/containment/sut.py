"""Remit as the system under test of `run_containment.py`, track T0: one static template per tool catalogue (what the registry's
rules propose), parameters lifted from the prompt when the task is opened. The real binary, the real gateway, the ledger on.

Speaks the runner's protocol on standard input and output. Needs REMIT_BIN. Standard library only.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REMIT = os.environ["REMIT_BIN"]
MODERN = "2026-07-28"


class StubServer(BaseHTTPRequestHandler):
    """The suite's tools behind MCP 2025-11-25; it does nothing, the runner plays the world."""

    protocol_version = "HTTP/1.1"
    tools = []

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "stub", "version": "1"}},
            "tools/list": {"tools": self.tools},
            "tools/call": {"content": [{"type": "text", "text": ""}]},
        }.get(message.get("method"))
        if "id" not in message:
            return self.answer(202, b"")
        body = {"jsonrpc": "2.0", "id": message["id"]}
        body |= {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
        self.answer(200, json.dumps(body).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def lifted(prompt):
    """Addresses, accounts, URLs, quoted names, names and channel words of a prompt, as destinations of every kind."""
    found = set(re.findall(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", prompt))
    found |= set(re.findall(r"(?:https?://|www\.)[^\s'\",)]*[\w/]", prompt))
    found |= set(re.findall(r"\b[A-Z]{2}\d{2}[A-Z0-9]{8,30}\b", prompt))
    found |= {text for pair in re.findall(r"'([^']{1,80})'|\"([^\"]{1,80})\"", prompt) for text in pair if text}
    found |= set(re.findall(r"\b[A-Z][\w-]+(?: [A-Z][\w-]+)*", prompt)) | set(re.findall(r"\b[A-Z][\w-]+", prompt))
    found |= set(re.findall(r"#([\w-]+)", prompt)) | set(re.findall(r"\b([\w-]+) channel", prompt)) | set(re.findall(r"channel ([\w-]+)", prompt))
    found |= set(re.findall(r"\b[\w-]+\.(?:com|org|net|io|info)(?:/[\w./-]*\w)?", prompt))
    kinds = ("person", "account", "channel", "other")
    places = {f"{kind}:{text}" for text in found for kind in kinds}
    places |= {f"mail:{text}" for text in found if "@" in text}
    places |= {f"url:{text}" for text in found if "." in text} | {f"url:http://{text}" for text in found if "." in text and "/" not in text}
    places |= {f"host:{text}" for text in found if re.fullmatch(r"[\w-]+(\.[\w-]+)+", text)}
    return sorted(places)


class Remit:
    def __init__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="remit-containment-"))
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "REMIT_"))}
        self.env |= {f"XDG_{kind}_HOME": str(self.work / kind.lower()) for kind in ("DATA", "CONFIG", "STATE")}
        (self.work / "runtime").mkdir(mode=0o700)
        self.env |= {"XDG_RUNTIME_DIR": str(self.work / "runtime"), "USER": "alice"}
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        (self.work / "remit.toml").write_text(f'[listen]\naddress = "127.0.0.1:{self.port}"\n[hold]\nwait = "0s"\n')
        self.up = subprocess.Popen([REMIT, "up", "--config", str(self.work / "remit.toml")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.env)
        if not self.up.stdout.readline().startswith("ready"):
            sys.exit("containment: the engine did not become ready")
        self.cli("human", "add", "bob", "--role", "approver")
        self.cli("agent", "add", "agent", "--owner", "alice")
        self.tasks = {}
        self.server = None

    def cli(self, *words):
        done = subprocess.run([REMIT, "--json", *words], capture_output=True, text=True, env=self.env)
        if done.returncode:
            sys.exit(f"containment: remit {' '.join(words)}: {done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def suite(self, tools):
        StubServer.tools = [{"name": t["name"], "description": t["description"], "inputSchema": t["parameters"]} for t in tools]
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), StubServer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.cli("mcp", "add", "suite", "--url", f"http://127.0.0.1:{self.server.server_port}/mcp", "--allow-private")
        self.cli("tools", "admit", "--server", "suite", "--all")

    def open(self, task, prompt):
        flags = [word for place in lifted(prompt) for word in ("--destination", place)]
        opened = self.cli("task", "open", "--agent", "agent", "--intent", prompt[:4000], "--allow", "suite/*", *flags)[0]
        self.tasks[task] = (opened["task"], opened["token"])

    def call(self, task, tool, arguments):
        meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/mcp/suite", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}), {
            "Authorization": f"Bearer {self.tasks[task][1]}", "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool,
        })
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        if answer.status == 401:
            return {"decision": "deny"}
        line = next((line.removeprefix("data: ") for line in body.splitlines() if line.removeprefix("data: ").startswith("{")), "{}")
        result = json.loads(line).get("result", {})
        decision = (result.get("_meta") or {}).get("dev.remit/decision")
        if not decision:
            return {"decision": "allow" if "content" in result else "deny"}
        if decision["decision"] == "hold":
            return {"decision": "ask", "approval": decision["approval_id"]}
        return {"decision": "deny"}

    def close(self, task):
        self.cli("task", "done", self.tasks[task][0])

    def end(self):
        self.up.terminate()
        self.up.wait(timeout=20)
        shutil.rmtree(self.work, ignore_errors=True)


def main():
    remit = None
    try:
        for line in sys.stdin:
            message = json.loads(line)
            answer = {"ok": True}
            match message["op"]:
                case "suite":
                    if remit:
                        remit.end()
                    remit = Remit()
                    remit.suite(message["tools"])
                case "open":
                    remit.open(message["task"], message["prompt"])
                case "call":
                    answer = remit.call(message["task"], message["function"], message["args"])
                case "approve":
                    subprocess.run([REMIT, "--json", "approve", message["approval"], "--as", "bob"], capture_output=True, env=remit.env)
                case "close":
                    remit.close(message["task"])
            print(json.dumps(answer), flush=True)
    finally:
        if remit:
            remit.end()


main()
