#!/usr/bin/env python3
"""Second verifier of Remit's evidence, written from the formats alone; Python standard library only.

    verify.py export FILE     [--key KEY] [--origin NAME] [--held CHECKPOINT]...
    verify.py proof  FILE     --key KEY [--origin NAME] [--record FILE]

Prints one line; exit status 0: everything holds, 1: something does not, 2: usage.
Formats: c2sp.org/signed-note, tlog-checkpoint, tlog-proof@v1; RFC 6962 section 2.1; docs/adr/0002.
It says *that* an export does not hold and the first place that shows it; the Rust verifier locates more closely.
"""
import argparse, base64, hashlib, json, sys

ENTRY_BYTES_MAX, SIZE_MAX, BUNDLE = 65_535, 2**53 - 1, 256


class Bad(Exception):
    """What does not hold, and where."""


# Ed25519 (RFC 8032 section 5.1), verification only

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def recover(data):
    y, sign = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    if y >= P:
        raise Bad("a point is not canonical")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if x * x % P == x2 else x * ROOT % P
    if x * x % P != x2 or (x == 0 and sign):
        raise Bad("not a point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = recover((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verify(public, message, signature):
    if len(signature) != 64:
        return False
    try:
        a, r = recover(public), recover(signature[:32])
    except Bad:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(h, a))
    same = lambda i: (left[i] * right[2] - right[i] * left[2]) % P == 0
    return s < L and same(0) and same(1)


# Notes, keys, checkpoints
def unbase64(text, what):
    data = base64.b64decode(text)
    if base64.b64encode(data).decode() != text:
        raise Bad(f"{what} is not canonical base64")
    return data


def decimal(text, what):
    if not (text.isascii() and text.isdigit()) or (text != "0" and text[0] == "0") or int(text) > SIZE_MAX:
        raise Bad(f"{what} is not a decimal number")
    return int(text)


def parse_key(text):
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    data = unbase64(encoded, "the key")
    if len(data) != 33 or data[0] != 1:
        raise Bad("not an Ed25519 verifier key")
    if hashlib.sha256(name.encode() + b"\n" + data).hexdigest()[:8] != key_id:
        raise Bad("the key id does not fit the key")
    return name, bytes.fromhex(key_id), data[1:]


def parse_checkpoint(note, key, origin):
    """Size and root of a signed checkpoint."""
    name, key_id, public = key
    if any(ord(letter) < 32 and letter != "\n" for letter in note):
        raise Bad("a control character in a note")
    cut = note.rfind("\n\n")
    text, lines = note[: cut + 1], note[cut + 2 :]
    if cut < 1 or not lines.endswith("\n"):
        raise Bad("not a signed note")
    signed = False
    for line in lines[:-1].split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not parts[1] or "+" in parts[1]:
            raise Bad("not a signature line")
        data = unbase64(parts[2], "a signature")
        if (parts[1], data[:4]) == (name, key_id):
            if not ed25519_verify(public, text.encode(), data[4:]):
                raise Bad("the signature does not match the checkpoint")
            signed = True
    if not signed:
        raise Bad("the checkpoint is not signed by the key")
    fields = text[:-1].split("\n")
    if len(fields) < 3 or not all(fields):
        raise Bad("not a checkpoint")
    if fields[0] != origin:
        raise Bad(f"a checkpoint of `{fields[0]}`, expected `{origin}`")
    root = unbase64(fields[2], "the root")
    if len(root) != 32:
        raise Bad("the root is not a hash")
    return decimal(fields[1], "the size"), root


# The tree
leaf_hash = lambda entry: hashlib.sha256(b"\x00" + entry).digest()
node_hash = lambda left, right: hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Roots of the complete subtrees, largest first."""

    def __init__(self, size=0, peaks=()):
        self.size, self.peaks = size, list(peaks)
        if len(self.peaks) != bin(size).count("1"):
            raise Bad("the hashes in front of the first record do not fit their number")

    def append(self, node):
        size = self.size
        while size & 1:
            node, size = node_hash(self.peaks.pop(), node), size >> 1
        self.peaks.append(node)
        self.size += 1

    def root(self):
        node = self.peaks[-1] if self.peaks else hashlib.sha256(b"").digest()
        for left in reversed(self.peaks[:-1]):
            node = node_hash(left, node)
        return node


def included(leaf, index, size, proof):  # RFC 9162 section 2.1.3.2: the root that `proof` leads to
    node, last = index, size - 1
    for sibling in proof:
        if last == 0:
            raise Bad("the proof is too long")
        if node & 1 or node == last:
            leaf = node_hash(sibling, leaf)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Bad("the proof is too short")
    return leaf


# Files
def strict_json(line, what):
    def pairs(members):
        if len({key for key, _ in members}) != len(members):
            raise Bad(f"{what} has a key twice")
        return dict(members)

    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=pairs)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Bad(f"{what} is not JSON")
    if not isinstance(value, dict):
        raise Bad(f"{what} is not an object")
    return value


def control(line, kind):
    inner = strict_json(line, "the line")["remit"][kind]
    again = json.dumps({"remit": {kind: inner}}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if again.encode() != line:
        raise Bad("the line is not canonical")
    return inner


def verify_export(path, key_text, origin, held_paths):
    with open(path, "rb") as file:
        head = control(file.readline(1 << 22).rstrip(b"\n"), "export")
        if head.get("format") != 1:
            raise Bad("another format than 1")
        for what, want, got in (("log", origin, head["origin"]), ("key", key_text, head["key"])):
            if want is not None and want != got:
                raise Bad(f"the export is of {what} `{got}`, expected `{want}`")
        key, origin = parse_key(head["key"]), head["origin"]
        tree = Tree(head["first"], [unbase64(peak, "a peak") for peak in head.get("peaks", [])])
        first, size = tree.size, parse_checkpoint(head["head"], key, origin)[0]
        ahead, count = {}, 0  # roots to come, by size

        def add(note):
            nonlocal count
            covered, root = parse_checkpoint(note, key, origin)
            if covered > size:
                raise Bad(f"records {size} to {covered - 1} are missing: a signed head covers them")
            if covered < tree.size or (covered == tree.size and root != tree.root()):
                raise Bad(f"the head over {covered} records does not fit the hashes in front of record {tree.size}")
            ahead.setdefault(covered, []).append(root)
            count += 1

        for note in [head["head"], *(open(held, encoding="utf-8", newline="").read() for held in held_paths)]:
            add(note)
        last_time, leaves, announced, number = 0, [], first, 1
        while line := file.readline(1 << 22):
            number += 1
            if not line.endswith(b"\n"):
                raise Bad(f"line {number} has no newline")
            line, seq = line[:-1], tree.size
            if line.startswith(b'{"remit":'):
                bundle = control(line, "bundle")
                for note in bundle.get("checkpoints", []):
                    add(note)
                data = unbase64(bundle["leaves"], "the leaf hashes")
                leaves = [data[at : at + 32] for at in range(0, len(data), 32)]
                if seq != announced or bundle["first"] != seq or not 0 < len(leaves) <= BUNDLE or len(data) % 32:
                    raise Bad(f"line {number}: the bundle before record {seq} does not fit")
                announced += len(leaves)
                continue
            node, record = leaf_hash(line), strict_json(line, f"record {seq}")
            if len(line) > ENTRY_BYTES_MAX or record.get("v") != 1 or record.get("seq") != seq:
                raise Bad(f"record {seq} is not in its place: it says `{record.get('seq')}`")
            if not isinstance(record.get("time"), int) or record["time"] < last_time:
                raise Bad(f"record {seq} is dated before the one in front of it")
            if seq >= announced or node != leaves[seq - announced]:
                raise Bad(f"record {seq} differs from its leaf hash")
            last_time = record["time"]
            tree.append(node)
            for root in ahead.pop(tree.size, ()):
                if root != tree.root():
                    raise Bad(f"the records below {tree.size} are not what was signed")
        if tree.size != size:
            raise Bad(f"the head covers {size} records, the export ends with {tree.size}")
    return f"ok: {size - first} records from {first} on, {count} heads, {'a known' if key_text else 'its own'} key"


def verify_proof(path, key_text, origin, record_path):
    text = open(path, encoding="utf-8", newline="").read()
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1" or not blank:
        raise Bad("not a tlog-proof file")
    record = unbase64(lines.pop(0)[6:], "the record") if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise Bad("no index line")
    index = decimal(lines.pop(0)[6:], "the index")
    proof = [unbase64(line, "a hash") for line in lines]
    if len(proof) > 63 or any(len(node) != 32 for node in proof):
        raise Bad("not an inclusion proof")
    record = open(record_path, "rb").read() if record_path else record
    if record is None or not key_text:
        raise Bad("give --key, and --record for a proof that does not carry its record")
    key = parse_key(key_text)
    size, root = parse_checkpoint(note, key, origin or key[0])
    if index >= size or included(leaf_hash(record), index, size, proof) != root:
        raise Bad(f"record {index} is not proved")
    return f"ok: record {index} of {size}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["export", "proof"])
    for option in ("--key", "--origin", "--record"):
        parser.add_argument(option)
    parser.add_argument("--held", action="append", default=[])
    parser.add_argument("file")
    args = parser.parse_args()
    try:
        if args.what == "export":
            print(verify_export(args.file, args.key, args.origin, args.held))
        else:
            print(verify_proof(args.file, args.key, args.origin, args.record))
    except (Bad, KeyError, TypeError, ValueError, OSError) as error:
        print(f"bad: {error if isinstance(error, (Bad, OSError)) else 'not the form of the file: ' + repr(error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
