"""Seeded documents: plain ones written in many ways, and hostile ones."""

import json
import struct

HOSTILE = [
    b"", b" ", b"\xef\xbb\xbf{}", b"\xff\xfe[\0]\0", b"nul", b"NaN", b"[Infinity]", b"-Infinity", b"undefined",
    b"{'a':1}", b"{a:1}", b"[1,]", b'{"a":1,}', b"[1 2]", b"{}{}", b"1 2", b"[1]]", b"// c\n1", b"1/**/", b"#", b"\0",
    b"01", b"-01", b"+1", b".5", b"1.", b"1e", b"1e+", b"-", b"0x10", b"1_0", b"-0", b"-0.0", b"0e400", b"0e99999999999999999999", b"1e99999999999999999999", b"-0e-400",
    b"9007199254740991", b"9007199254740992", b"9007199254740993", b"18446744073709551615", b"18446744073709551616",
    b"18446744073709552000", b"1152921504606846976", b"1152921504606847000", b"1e400", b"-1e400", b"1e-400", b"5e-324",
    b"4e-324", b"0.1000000000000000055", b"0.1", b"1e21", b"1e23", b"100000000000000000000000", b"1.7976931348623157e308",
    b"1.7976931348623159e308", b"2.2250738585072014e-308", b"2.2250738585072011e-308", b"333333333.33333329",
    b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"b":1,"a":2,"b":3}', b'{"__proto__":1}', b'{"__proto__":1,"__proto__":2}',
    b'{"":1,"":2}', b'{"1":1,"01":2,"10":3,"9":4}', b'{"constructor":{"prototype":{}}}', b'"\\ud800"', b'"\\udc00"',
    b'"\\ud83d\\ude00"', b'"\\ude00\\ud83d"', b'"\\ud800\\ud800"', b'"\\uD83Dx"', b'{"\\udfff":1}', b'"\xed\xa0\x80"',
    b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\xff"', b'"\xe2\x82"', b'"\\x41"', b'"\\u00"', b'"\\u{41}"', b'"\\u+041"',
    b'"\\u 041"', b'"\\\n"', b'"a\nb"', b'"\t"', b'"\0"', b'"\\u0000"', b'"\x7f\xc2\x80\xe2\x80\xa8\xe2\x80\xa9"',
    b'"\\uffff\\ufffe\\ufeff"', b"[\xc2\xa01]", b"[\x0c1]", b"[\x0b1]", b"\x1e{}", b"\xef\xbc\x91", b"1\xef\xbc\x91",
    b"[" * 64 + b"]" * 64, b"[" * 65 + b"]" * 65, b"[" * 5000, b'{"a":' * 64 + b"1" + b"}" * 64, b'{"a":' * 65 + b"1" + b"}" * 65,
    b"[" + b"0," * 99998 + b"0]", b"[" + b"0," * 99999 + b"0]", b"1" * 5000, b"0." + b"0" * 400 + b"1e401",
    b"0." + b"0" * 60000 + b"1e60001", b"1" + b"0" * 308, b"1" + b"0" * 309, b'"' + b"a" * 70000 + b'"', b'"' + b"\\u0041" * 9999 + b'"',
]

PARTS = [
    b'"', b"\\", b"\\u", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\u0000", b"\\/", b"{", b"}", b"[", b"]", b":", b",", b"null",
    b"true", b"NaN", b"-", b"0", b"9", b".", b"e", b"E+", b"e400", b"e-7", b"9007199254740993", b"\0", b"\n", b"\x80", b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80", b"/*", b'"a":1,', b" ", b"\xc2\xa0", b'"a":2,', b'"\\u0061":3,',
]

CHARACTERS = "ab/_09 ~\"\\\b\f\n\r\t\x01\x1f\x7f\x80é€\u2028\ud7ff\ue000\ufb33\ufeff\uffff😀\U00010000\U0010ffff"


def number(rng):
    """The text of a number, from the plain to the impossible."""
    kind = rng.randrange(9)
    if kind == 0:
        return str(rng.randint(-1000, 1000))
    if kind == 1:
        return str(rng.choice([-1, 1]) * (2 ** rng.randint(50, 70) + rng.randint(-3, 3)))
    if kind == 2:
        return repr(round(rng.uniform(-1000, 1000), rng.randint(0, 6)))
    double = struct.unpack("<d", rng.randbytes(8))[0]
    if double != double or double in (float("inf"), float("-inf")):
        return "0"
    if kind == 3:
        return repr(double)
    if kind == 4:  # one digit more than the double carries
        mantissa, _, exponent = repr(double).partition("e")
        mantissa += ("" if "." in mantissa else ".") + rng.choice(["0", "1", "5", "00", "01"])
        return mantissa + ("e" + exponent if exponent else "")
    if kind == 5:  # all digits of the double, or most of them
        return f"{double:.{rng.randint(14, 20)}e}"
    if kind == 6:  # the same decimal, point moved
        digits, shift = str(rng.randint(1, 10**rng.randint(1, 18))), rng.randint(0, 30)
        return f"{digits}{'0' * rng.randint(0, 4)}{rng.choice(['e', 'E'])}{rng.choice(['-', '+', ''])}{shift}"
    if kind == 7:
        return f"{rng.choice(['', '-'])}{rng.randint(0, 99)}.{rng.randrange(10**12)}e{rng.randint(-330, 330)}"
    return f"{rng.randint(-1, 1)}{rng.choice(['', '.0', '.00', 'e0', 'e-0', 'E+00'])}"


def string(rng):
    """The text of a string, its characters escaped or not."""
    out = []
    for _ in range(rng.choice([0, 1, 3, 8, 20])):
        character = rng.choice(CHARACTERS)
        if character in '"\\' or character < " " or rng.random() < 0.2:
            units = character.encode("utf-16-be")
            text = "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
            short = json.dumps(character)[1:-1]
            out.append(short if len(short) == 2 and rng.random() < 0.5 else rng.choice([text, "\\u" + text[2:6].upper() + text[6:]]))
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def value(rng, depth):
    """The text of a value at most `depth` levels deep."""
    space = lambda: rng.choice(["", "", "", " ", "\n", "\t ", "\r\n"])
    kind = rng.randrange(8 if depth else 5)
    if kind == 0:
        return rng.choice(["null", "true", "false"])
    if kind in (1, 2):
        return number(rng)
    if kind in (3, 4):
        return string(rng)
    if kind == 5:
        items = [space() + value(rng, depth - 1) + space() for _ in range(rng.randrange(6))]
        return "[" + (",".join(items) or space()) + "]"
    members = [
        f"{space()}{string(rng)}{space()}:{space()}{value(rng, depth - 1)}{space()}" for _ in range(rng.randrange(7))
    ]
    return "{" + (",".join(members) or space()) + "}"


def broken(rng, document):
    """`document` with one to three random edits."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(document))
        end = min(len(document), at + rng.choice([0, 0, 1, 3]))
        part = rng.choice([rng.choice(PARTS), rng.choice(PARTS), rng.randbytes(1), document[at:end] * 2])
        document = document[:at] + part + document[end:]
    return document


def documents(rng, count):
    """`count` documents, the fixed hostile ones first."""
    yield from HOSTILE[:count]
    for index in range(count - len(HOSTILE)):
        kind = index % 4
        if kind == 0:
            yield number(rng).encode()
            continue
        document = value(rng, 4).encode()
        yield document if kind == 1 else broken(rng, document) if kind == 2 else b"[" + document + b"]"
