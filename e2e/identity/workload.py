"""A workload we did not write the library of: Python `spiffe` against our Workload API, from inside `remit run`.

Writes what it got into the folder named as its argument, so that OpenSSL and OpenBao can judge it too.
"""

import http.client
import json
import os
import pathlib
import ssl
import sys
import time
import urllib.request

import jwt as pyjwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from spiffe import JwtSvid, SpiffeId, TrustDomain, WorkloadApiClient

out = pathlib.Path(sys.argv[1])
client = WorkloadApiClient()
domain = TrustDomain("remit.local")
expected = SpiffeId(f"spiffe://remit.local/agent/{os.environ['AGENT']}/run/{os.environ['REMIT_RUN']}")


def said(what: str) -> None:
    print(f"ok {what}", flush=True)


def refused(what: str, call) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001: which class it is belongs to the library
        said(f"refused: {what} ({type(error).__name__})")
        return
    raise SystemExit(f"not refused: {what}")


context = client.fetch_x509_context()
svid = context.default_svid
assert svid.spiffe_id == expected, svid.spiffe_id
bundle = context.x509_bundle_set.get_bundle_for_trust_domain(domain)
authorities = list(bundle.x509_authorities)
assert any(svid.leaf.issuer == authority.subject for authority in authorities)
next(a for a in authorities if a.subject == svid.leaf.issuer).public_key()
svid.leaf.verify_directly_issued_by(next(a for a in authorities if a.subject == svid.leaf.issuer))
said("X.509-SVID fetched, its chain leads to the bundle")

(out / "svid.pem").write_bytes(svid.leaf.public_bytes(serialization.Encoding.PEM))
(out / "svid.key").write_bytes(
    svid.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
)
(out / "bundle.pem").write_bytes(b"".join(a.public_bytes(serialization.Encoding.PEM) for a in authorities))

# The same certificate proves this run at our own listener; that of nobody says nothing, and the token alone would do too.
trusting = ssl.create_default_context(cafile=os.environ["TLS_CA"])
trusting.load_cert_chain(out / "svid.pem", out / "svid.key")
listener = http.client.HTTPSConnection("localhost", int(os.environ["TLS_PORT"]), context=trusting, timeout=20)
listener.request(
    "POST",
    "/mcp",
    json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/list",
            "params": {
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                }
            },
        }
    ),
    {
        "Authorization": f"Bearer {os.environ['REMIT_TOKEN']}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/list",
    },
)
assert listener.getresponse().status == 200
said("the run's X.509-SVID is taken by our TLS listener")

token = client.fetch_jwt_svid(audience={"vault"})
assert token.spiffe_id == expected
bundles = client.fetch_jwt_bundles()
validated = JwtSvid.parse_and_validate(token.token, bundles.get_bundle_for_trust_domain(domain), {"vault"})
assert validated.spiffe_id == expected
assert client.validate_jwt_svid(token.token, "vault").spiffe_id == expected
refused("a JWT-SVID for another audience", lambda: client.validate_jwt_svid(token.token, "reports"))
refused("a changed JWT-SVID", lambda: client.validate_jwt_svid(token.token[:-4] + "AAAA", "vault"))
refused("an audience the task does not name", lambda: client.fetch_jwt_svid(audience={"payroll"}))
refused("two audiences in one token", lambda: client.fetch_jwt_svid(audience={"vault", "reports"}))
claims = pyjwt.decode(token.token, options={"verify_signature": False})
assert claims["task"] == os.environ["REMIT_TASK"] and claims["run"] == os.environ["REMIT_RUN"], claims
assert claims["exp"] - claims["iat"] <= 300 and claims["agent"] == os.environ["AGENT"] and claims["env"]
said("JWT-SVID fetched and validated; it says agent, run, task and environment")
(out / "vault.jwt").write_text(token.token)
(out / "reports.jwt").write_text(client.fetch_jwt_svid(audience={"reports"}).token)

seen = {svid.leaf.serial_number}
handle = client.stream_x509_contexts(
    on_success=lambda update: seen.add(update.default_svid.leaf.serial_number), on_error=lambda error: None
)
deadline = time.monotonic() + 20
while len(seen) < 3 and time.monotonic() < deadline:
    time.sleep(0.2)
handle.cancel()
assert len(seen) >= 3, f"the stream did not renew: {len(seen)}"
said("the stream renews before the SVID ends")

document = urllib.request.urlopen(os.environ["REMIT_MCP_URL"].replace("/mcp", "/.well-known/spiffe-bundle")).read()
assert b"x509-svid" in document and b"jwt-svid" in document
(out / "bundle.json").write_bytes(document)
said("the bundle endpoint serves both kinds")
