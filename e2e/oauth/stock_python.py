"""The official Python SDK signs in as any client would: its OAuth provider, a static client id, and a person at a browser.

Says `{"open": URL}`, reads the answer's parameters as a JSON line, then says what it saw with the token, one JSON line each.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import anyio
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


class Kept:
    """Tokens in memory; the client is registered by hand."""

    def __init__(self, redirect: str) -> None:
        self.tokens: OAuthToken | None = None
        self.client = OAuthClientInformationFull(
            client_id="stock-python", redirect_uris=[redirect], token_endpoint_auth_method="none"
        )

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def show(url: str) -> None:
    say({"open": url})


async def answered() -> AuthorizationCodeResult:
    line = await anyio.to_thread.run_sync(sys.stdin.readline)
    return AuthorizationCodeResult.model_validate(json.loads(line))


async def main() -> None:
    redirect, server = os.environ["REDIRECT"], f"{os.environ['GATEWAY']}/mcp"
    metadata = OAuthClientMetadata(
        client_name="Stock Python client",
        redirect_uris=[redirect],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    kept = Kept(redirect)
    provider = OAuthClientProvider(server, metadata, kept, redirect_handler=show, callback_handler=answered)
    async with create_mcp_http_client(auth=provider) as http:
        async with Client(streamable_http_client(server, http_client=http), mode="auto") as client:
            tools = await client.list_tools()
            say({"tools": [tool.name for tool in tools.tools]})
            read = await client.call_tool("fs__read_text_file", {"path": os.environ["NOTE"]})
            say({"read": read.model_dump(mode="json", by_alias=True)})
            write = await client.call_tool("fs__write_file", {"path": os.environ["NOTE"], "content": "x"})
            say({"write": write.model_dump(mode="json", by_alias=True)})
    assert kept.tokens is not None
    say({"token": kept.tokens.access_token})


anyio.run(main)
