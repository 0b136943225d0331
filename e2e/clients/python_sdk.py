"""Drives an MCP server with the official Python SDK and prints what it saw, one JSON line per step.

Usage: run.sh python < steps.jsonl          (see README.md for the steps and the variables)
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any

import anyio
import mcp_types as types
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

DECISION = "dev.remit/decision"


def plain(value: Any) -> Any:
    """A result as it was on the wire."""
    return value.model_dump(mode="json", by_alias=True, exclude_unset=True)


def emit(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def seen(result: Any) -> dict[str, Any]:
    body = plain(result)
    line: dict[str, Any] = {"ok": True, "result": body}
    for key in ("isError", "structuredContent", "_meta", "resultType"):
        if key in body:
            line[key] = body[key]
    if decision := (body.get("_meta") or {}).get(DECISION):
        line["decision"] = decision
    return line


def failed(error: BaseException) -> dict[str, Any]:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return {"ok": False, "error": {"code": error.code, "message": error.message, "data": error.data}}
    return {"ok": False, "error": {"kind": type(error).__name__, "message": str(error)}}


class Session:
    """One connected client and what arrives beside the answers."""

    def __init__(self) -> None:
        self.arrived: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = json.loads(os.environ.get("MCP_CLIENT", "{}"))

    def note(self, method: str, params: Any) -> None:
        self.arrived.append({"method": method, "params": params})

    async def on_message(self, message: Any) -> None:
        if hasattr(message, "method"):
            self.note(message.method, plain(message).get("params"))

    async def on_log(self, params: Any) -> None:
        self.note("notifications/message", plain(params))

    async def on_sampling(self, _context: Any, params: Any) -> Any:
        self.note("sampling/createMessage", plain(params))
        return types.CreateMessageResult.model_validate(self.answers["sampling"])

    async def on_elicitation(self, _context: Any, params: Any) -> Any:
        self.note("elicitation/create", plain(params))
        return types.ElicitResult.model_validate(self.answers["elicitation"])

    async def on_roots(self, _context: Any) -> Any:
        self.note("roots/list", None)
        return types.ListRootsResult.model_validate(self.answers["roots"])

    def client(self, transport: Any) -> Client:
        revision = os.environ.get("MCP_REVISION", "auto")
        return Client(
            transport,
            mode="legacy" if revision == "2025-11-25" else revision,
            message_handler=self.on_message,
            logging_callback=self.on_log,
            log_level=os.environ.get("MCP_LOG_LEVEL") or None,
            sampling_callback=self.on_sampling if "sampling" in self.answers else None,
            elicitation_callback=self.on_elicitation if "elicitation" in self.answers else None,
            list_roots_callback=self.on_roots if "roots" in self.answers else None,
            client_info=types.Implementation(name="remit-e2e-python", version="1"),
            cache=None,
        )


async def call_tool(client: Client, step: dict[str, Any]) -> dict[str, Any]:
    progress: list[Any] = []

    async def on_progress(value: float, total: float | None, message: str | None) -> None:
        progress.append({"progress": value, "total": total, "message": message})

    result = None
    with anyio.move_on_after(step["cancel_after_ms"] / 1000 if "cancel_after_ms" in step else None) as scope:
        result = await client.call_tool(
            step["name"],
            step.get("arguments"),
            read_timeout_seconds=step.get("timeout_s", 120),
            progress_callback=on_progress if step.get("progress") else None,
            meta=step.get("meta"),
        )
    if scope.cancelled_caught or result is None:
        return {"ok": False, "cancelled": True, "progress": progress}
    return seen(result) | ({"progress": progress} if step.get("progress") else {})


async def listen(client: Client, step: dict[str, Any]) -> dict[str, Any]:
    events: list[str] = []
    wanted = step.get("count", 1)
    async with client.listen(**step.get("filter", {"tools_list_changed": True})) as subscription:
        emit({"op": "listening", "ok": True, "honored": plain(subscription.honored)})
        with anyio.move_on_after(step.get("timeout_s", 10)):
            async for event in subscription:
                events.append(type(event).__name__)
                if len(events) >= wanted:
                    break
    return {"ok": len(events) >= wanted, "events": events}


async def perform(client: Client, step: dict[str, Any]) -> dict[str, Any]:
    match step["op"]:
        case "list_tools":
            return seen(await client.list_tools())
        case "call_tool":
            return await call_tool(client, step)
        case "list_resources":
            return seen(await client.list_resources())
        case "list_templates":
            return seen(await client.list_resource_templates())
        case "read_resource":
            return seen(await client.read_resource(step["uri"]))
        case "subscribe":
            return seen(await client.subscribe_resource(step["uri"]))
        case "unsubscribe":
            return seen(await client.unsubscribe_resource(step["uri"]))
        case "list_prompts":
            return seen(await client.list_prompts())
        case "get_prompt":
            return seen(await client.get_prompt(step["name"], step.get("arguments")))
        case "complete":
            return seen(await client.complete(types.PromptReference(name=step["prompt"]), step["argument"]))
        case "ping":
            return seen(await client.send_ping())
        case "set_log_level":
            return seen(await client.set_logging_level(step["level"]))
        case "listen":
            return await listen(client, step)
        case "sleep":
            await anyio.sleep(step["ms"] / 1000)
            return {"ok": True}
        case other:
            return {"ok": False, "error": {"kind": "plan", "message": f"unknown op `{other}`"}}


async def follow(session: Session, client: Client) -> None:
    emit(
        {
            "op": "initialize",
            "ok": True,
            "revision": client.protocol_version,
            "serverInfo": plain(client.server_info) if client.server_info else None,
            "capabilities": plain(client.server_capabilities),
            "instructions": client.instructions,
        }
    )
    steps = anyio.wrap_file(sys.stdin)
    while line := await steps.readline():
        if not line.strip():
            continue
        step = json.loads(line)
        session.arrived.clear()
        start = time.monotonic()
        try:
            outcome = await perform(client, step)
        except Exception as error:  # every failure is an observation
            outcome = failed(error)
        extra = {"arrived": list(session.arrived)} if session.arrived else {}
        label = {"id": step["id"]} if "id" in step else {}
        emit({"op": step["op"], **label, **outcome, **extra, "ms": round((time.monotonic() - start) * 1000)})


async def main() -> None:
    warnings.simplefilter("ignore")
    session = Session()
    try:
        if command := os.environ.get("MCP_STDIO"):
            words = json.loads(command)
            server = StdioServerParameters(command=words[0], args=words[1:], env=dict(os.environ))
            async with session.client(stdio_client(server)) as client:
                await follow(session, client)
            return
        token = os.environ.get("MCP_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else None
        async with create_mcp_http_client(headers=headers) as http:
            transport = streamable_http_client(os.environ["MCP_URL"], http_client=http)
            async with session.client(transport) as client:
                await follow(session, client)
    except Exception as error:
        emit({"op": "initialize", **failed(error)})
        sys.exit(1)


anyio.run(main)
