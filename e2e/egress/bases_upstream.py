"""A small HTTPS server that plays OpenAI, GitHub, S3 and STS: one line per request says which credential came; signatures of AWS
(Signature Version 4) are checked with botocore. It keeps one object."""

import http.server
import re
import ssl
import sys

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

PORT, CERTIFICATE, KEY, LOG, SECRET = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]
WHO = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/x</Arn><UserId>AIDAX</UserId><Account>123456789012</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
OBJECTS = {}


def signed(request, body):
    """Whose signature it is, checked from what came over the wire."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)",
        request.headers["authorization"],
    )
    if not found:
        return None
    key, region, service, names, signature = found.groups()
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(key, SECRET), service, region)
    headers = {name: request.headers[name] for name in names.split(";")}
    url = f"https://{request.headers['host']}{request.path}"
    again = AWSRequest(method=request.command, url=url, headers=headers, data=body)
    again.context["timestamp"] = request.headers["x-amz-date"]
    expected = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    return f"signed by {key}" if signature == expected else f"signed wrongly: {signature}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        said = self.headers.get("authorization") or "nothing"
        if said.startswith("AWS4"):
            said = signed(self, body)
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {said}\n")
        kind, content = "application/json", b'{"id":1,"full_name":"acme/web"}'
        if self.headers["host"].startswith("sts."):
            kind, content = "text/xml", WHO
        elif self.headers["host"].startswith("s3."):
            if self.command == "PUT":
                OBJECTS[self.path] = body
            kind, content = "text/plain", b"" if self.command == "PUT" else OBJECTS.get(self.path, b"")
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
