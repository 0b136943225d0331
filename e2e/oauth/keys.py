"""Makes the keys of these checks: `DIR/NAME.jwk` for whoever signs, `DIR/NAME.jwks` for whoever verifies; of `mesh` a SPIFFE
bundle."""

import base64
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

folder = Path(sys.argv[1])
for name in ("client", "stranger", "platform", "mesh"):
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    text = lambda number: base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
    public = {
        "kty": "EC",
        "crv": "P-256",
        "x": text(numbers.public_numbers.x),
        "y": text(numbers.public_numbers.y),
        "kid": name,
        "alg": "ES256",
    }
    (folder / f"{name}.jwk").write_text(json.dumps({**public, "d": text(numbers.private_value)}))
    published = {**public, "use": "jwt-svid"} if name == "mesh" else public
    (folder / f"{name}.jwks").write_text(json.dumps({"keys": [published]}))
