#!/usr/bin/env python3
"""Tests of verify.py: the RFC 8032 vectors, then a sample (`test_verify.py DIR`, as make_export writes it) whole and
damaged in many ways."""
import os, random, sys, tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify

VECTORS = [  # RFC 8032 section 7.1: public key, message, signature
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]
DAMAGES = 100


def outcome(check, *args):
    try:
        return check(*args)
    except (verify.Bad, KeyError, TypeError, ValueError) as error:
        return f"bad: {error}"


def damaged(data, dice):
    data, at = bytearray(data), dice.randrange(len(data))
    way = dice.randrange(5)
    if way == 0:
        data[at] ^= 1 << dice.randrange(8)
    elif way == 1:
        del data[at]
    elif way == 2:
        data.insert(at, dice.choice(b' {}"0\n\r,'))
    elif way == 3:
        del data[at:]
    else:
        lines = bytes(data).splitlines(keepends=True)
        a, b = dice.randrange(len(lines)), dice.randrange(len(lines))
        if dice.random() < 0.5:
            lines[a], lines[b] = lines[b], lines[a]
        else:
            del lines[a]
        data = b"".join(lines)
    return bytes(data)


def main():
    for public, message, signature in VECTORS:
        public, message, signature = (bytes.fromhex(text) for text in (public, message, signature))
        assert verify.ed25519_verify(public, message, signature)
        assert not verify.ed25519_verify(public, message + b"x", signature)
        high = int.from_bytes(signature[32:], "little") + verify.L
        assert not verify.ed25519_verify(public, message, signature[:32] + high.to_bytes(32, "little"))
    folder, dice, count = sys.argv[1], random.Random(1), 0
    name = lambda file: os.path.join(folder, file)
    key = open(name("key"), encoding="utf-8").read()
    held = [name("held.checkpoint")]
    for file, check, args in (
        ("export.jsonl", verify.verify_export, (key, None, held)),
        ("record.tlog-proof", verify.verify_proof, (key, None, None)),
    ):
        whole = open(name(file), "rb").read()
        assert outcome(check, name(file), *args).startswith("ok: "), outcome(check, name(file), *args)
        other_key = key[:-2] + ("A" if key[-2] != "A" else "B") + key[-1]
        assert outcome(check, name(file), other_key, *args[1:]).startswith("bad: ")
        assert outcome(check, name(file), key, "other.example", *args[2:]).startswith("bad: ")
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, file)
            for number in range(DAMAGES):
                data = damaged(whole, dice)
                if data == whole:
                    continue
                with open(path, "wb") as out:
                    out.write(data)
                said = outcome(check, path, *args)
                assert said.startswith("bad: "), f"{file}, damage {number}: {said}"
                count += 1
    print(f"ok: {len(VECTORS)} vectors, {count} damages refused")


if __name__ == "__main__":
    main()
