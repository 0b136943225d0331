"""Drives an MCP server with the first generation of the official Python SDK (2025-11-25), which most deployed Python
agents still use, and prints what it saw, one JSON line per step.

Usage: run.sh python1 < steps.jsonl          (see README.md)
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import anyio
import mcp.types as types
from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

DECISION = "dev.remit/decision"
ANSWERS: dict[str, Any] = json.loads(os.environ.get("MCP_CLIENT", "{}"))
arrived: list[dict[str, Any]] = []


def plain(value: Any) -> Any:
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
    if isinstance(error, McpError):
        return {"ok": False, "error": plain(error.error)}
    return {"ok": False, "error": {"kind": type(error).__name__, "message": str(error)}}


async def on_message(message: Any) -> None:
    if isinstance(message, types.ServerNotification):
        arrived.append(plain(message))


async def on_sampling(_context: Any, params: Any) -> Any:
    arrived.append({"method": "sampling/createMessage", "params": plain(params)})
    return types.CreateMessageResult.model_validate(ANSWERS["sampling"])


async def on_elicitation(_context: Any, params: Any) -> Any:
    arrived.append({"method": "elicitation/create", "params": plain(params)})
    return types.ElicitResult.model_validate(ANSWERS["elicitation"])


async def on_roots(_context: Any) -> Any:
    arrived.append({"method": "roots/list", "params": None})
    return types.ListRootsResult.model_validate(ANSWERS["roots"])


async def call_tool(session: ClientSession, step: dict[str, Any]) -> dict[str, Any]:
    progress: list[Any] = []

    async def on_progress(value: float, total: float | None, message: str | None) -> None:
        progress.append({"progress": value, "total": total, "message": message})

    result = None
    with anyio.move_on_after(step["cancel_after_ms"] / 1000 if "cancel_after_ms" in step else None) as scope:
        result = await session.call_tool(
            step["name"],
            step.get("arguments"),
            read_timeout_seconds=timedelta(seconds=step.get("timeout_s", 120)),
            progress_callback=on_progress if step.get("progress") else None,
            meta=step.get("meta"),
        )
    if scope.cancelled_caught or result is None:
        return {"ok": False, "cancelled": True, "progress": progress}
    return seen(result) | ({"progress": progress} if step.get("progress") else {})


async def perform(session: ClientSession, step: dict[str, Any]) -> dict[str, Any]:
    match step["op"]:
        case "list_tools":
            return seen(await session.list_tools())
        case "call_tool":
            return await call_tool(session, step)
        case "list_resources":
            return seen(await session.list_resources())
        case "list_templates":
            return seen(await session.list_resource_templates())
        case "read_resource":
            return seen(await session.read_resource(step["uri"]))
        case "subscribe":
            return seen(await session.subscribe_resource(step["uri"]))
        case "unsubscribe":
            return seen(await session.unsubscribe_resource(step["uri"]))
        case "list_prompts":
            return seen(await session.list_prompts())
        case "get_prompt":
            return seen(await session.get_prompt(step["name"], step.get("arguments")))
        case "complete":
            reference = types.PromptReference(type="ref/prompt", name=step["prompt"])
            return seen(await session.complete(reference, step["argument"]))
        case "ping":
            return seen(await session.send_ping())
        case "set_log_level":
            return seen(await session.set_logging_level(step["level"]))
        case "sleep":
            await anyio.sleep(step["ms"] / 1000)
            return {"ok": True}
        case other:
            return {"ok": False, "error": {"kind": "plan", "message": f"unknown op `{other}`"}}


async def follow(session: ClientSession) -> None:
    opened = await session.initialize()
    emit(
        {
            "op": "initialize",
            "ok": True,
            "revision": opened.protocolVersion,
            "serverInfo": plain(opened.serverInfo),
            "capabilities": plain(opened.capabilities),
            "instructions": opened.instructions,
        }
    )
    steps = anyio.wrap_file(sys.stdin)
    while line := await steps.readline():
        if not line.strip():
            continue
        step = json.loads(line)
        arrived.clear()
        start = time.monotonic()
        try:
            outcome = await perform(session, step)
        except Exception as error:  # every failure is an observation
            outcome = failed(error)
        extra = {"arrived": list(arrived)} if arrived else {}
        label = {"id": step["id"]} if "id" in step else {}
        emit({"op": step["op"], **label, **outcome, **extra, "ms": round((time.monotonic() - start) * 1000)})


async def main() -> None:
    try:
        async with AsyncExitStack() as stack:
            if command := os.environ.get("MCP_STDIO"):
                words = json.loads(command)
                server = StdioServerParameters(command=words[0], args=words[1:], env=dict(os.environ))
                streams = await stack.enter_async_context(stdio_client(server))
            else:
                token = os.environ.get("MCP_TOKEN")
                headers = {"Authorization": f"Bearer {token}"} if token else None
                streams = await stack.enter_async_context(streamablehttp_client(os.environ["MCP_URL"], headers=headers))
            session = ClientSession(
                streams[0],
                streams[1],
                message_handler=on_message,
                sampling_callback=on_sampling if "sampling" in ANSWERS else None,
                elicitation_callback=on_elicitation if "elicitation" in ANSWERS else None,
                list_roots_callback=on_roots if "roots" in ANSWERS else None,
            )
            await stack.enter_async_context(session)
            await follow(session)
    except Exception as error:
        emit({"op": "initialize", **failed(error)})
        sys.exit(1)


anyio.run(main)
