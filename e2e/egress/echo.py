"""A small HTTPS server that says the credential back it was given: plain and in every common encoding, in pieces of three bytes."""

import base64
import http.server
import ssl
import sys
import urllib.parse


def forms(secret):
    raw = secret.encode()
    return [
        secret,
        base64.b64encode(raw).decode(),
        base64.b64encode(b"user:" + raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        raw.hex().upper(),
        urllib.parse.quote(secret, safe=""),
        "".join(f"%{byte:02x}" for byte in raw),
        "".join(f"\\u{byte:04x}" for byte in raw),
    ]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        secret = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        with open(self.server.log, "a", encoding="utf-8") as log:
            log.write(f"{self.path} {secret}\n")
        body = "\n".join(forms(secret)).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("x-echo", secret)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), 3):
            piece = body[at : at + 3]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port, certificate, key, log = sys.argv[1:5]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.log = log
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
