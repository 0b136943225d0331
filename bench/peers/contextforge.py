#!/usr/bin/env python3
"""Runs ContextForge in front of one MCP server, for `bench/run calls`.

    contextforge.py VENV FOLDER STUB_URL

Starts the gateway of the virtual environment VENV on a free loopback port with its data in FOLDER, registers the server
at STUB_URL, prints one JSON line {pid, address, path, token, tool} and lives until standard input closes. Authentication
is on and the request log is at its default, as somebody would run it; the admin pages and the rate limit are off.
"""
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, token=None, body=None):
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def main():
    venv, folder, stub = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    folder.mkdir(parents=True, exist_ok=True)
    port, secret = free_port(), secrets.token_hex(32)
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder}/mcp.db",
        "CACHE_TYPE": "memory",
        "AUTH_REQUIRED": "true",
        "MCPGATEWAY_UI_ENABLED": "false",
        "MCPGATEWAY_ADMIN_API_ENABLED": "false",
        "SSRF_ALLOW_LOCALHOST": "true",
        "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
        "RATE_LIMITING_ENABLED": "false",
        "TOOL_RATE_LIMIT": "1000000",
        "LOG_LEVEL": "ERROR",
        "JWT_SECRET_KEY": secret,
        "AUTH_ENCRYPTION_SECRET": secrets.token_hex(32),
        "BASIC_AUTH_PASSWORD": secrets.token_hex(16),
        "PLATFORM_ADMIN_PASSWORD": secrets.token_hex(16) + "-Aa1",
        "PLATFORM_ADMIN_EMAIL": "admin@example.com",
        # What is measured is the gateway, not a proxy the caller's machine may have set.
        "NO_PROXY": "*",
    }
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [venv / "bin/mcpgateway", "--host", "127.0.0.1", "--port", str(port)],
            env=environment, cwd=folder, stdout=log, stderr=log,
        )
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                ask(f"{base}/health")
                break
            except (urllib.error.URLError, OSError):
                if server.poll() is not None:
                    sys.exit(f"ContextForge ended: see {folder}/log")
                time.sleep(0.2)
        token = subprocess.run(
            [venv / "bin/python", "-m", "mcpgateway.utils.create_jwt_token",
             "--username", "admin@example.com", "--exp", "600", "--secret", secret],
            env=environment, cwd=folder, capture_output=True, text=True, check=True,
        ).stdout.strip().splitlines()[-1]
        ask(f"{base}/gateways", token, {"name": "stub", "url": stub, "transport": "STREAMABLEHTTP"})
        print(json.dumps({
            "pid": server.pid, "address": f"127.0.0.1:{port}", "path": "/mcp/", "token": token, "tool": "stub-read-file",
        }), flush=True)
        sys.stdin.read()
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


main()
