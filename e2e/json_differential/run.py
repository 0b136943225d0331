#!/usr/bin/env python3
"""Shows seeded documents to our parser, Python's and Node's, and fails where they disagree: see README.md."""

import argparse
import base64
import json
import pathlib
import random
import shutil
import subprocess
import sys
from collections import Counter
from decimal import Decimal, InvalidOperation

from documents import documents

HERE = pathlib.Path(__file__).resolve().parent
# What we refuse though the grammar allows it, and encodings a lenient reader repairs.
STRICTER = {"duplicate_key", "inexact_number", "nul_character", "lone_surrogate", "too_deep", "too_many_nodes", "too_large", "byte_order_mark"}


class Members(list):
    """The members of an object as Python read them, duplicates and order kept."""


class Number(str):
    """The text of a number."""

    def same(self, other):
        """Whether both stand for one decimal and one double."""
        try:
            return Decimal(self) == Decimal(other) and float(self) == float(other)
        except InvalidOperation:  # an exponent beyond what Decimal holds: only zero may have one
            return float(self) == float(other) == 0


def no_constant(name):
    raise ValueError(f"constant {name}")


def python_reads(document):
    return json.loads(
        document.decode("utf-8"), object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=no_constant
    )


def same(document, canonical):
    """Whether two readings are one value: equal decimals, keys unique and, in the canonical one, in order."""
    if type(document) is not type(canonical):
        return False
    if isinstance(document, Members):
        units = [key.encode("utf-16-be") for key, _ in canonical]
        if any(a >= b for a, b in zip(units, units[1:])) or len(document) != len(canonical):
            return False
        found = dict(document)
        return all(key in found and same(found[key], member) for key, member in canonical)
    if isinstance(document, list):
        return len(document) == len(canonical) and all(map(same, document, canonical))
    if isinstance(document, Number):
        return document.same(canonical)
    return document == canonical


def python_check(document, ours):
    try:
        theirs = python_reads(document)
    except (ValueError, RecursionError) as error:
        return "ok refused" if ours in ("!", "?") else f"python refuses: {error}"
    if ours == "!":
        return "python takes what the grammar of ours refuses"
    if ours == "?":
        return "ok taken"
    try:
        agreed = same(theirs, python_reads(ours))
    except ValueError as error:
        return f"python refuses the canonical bytes: {error}"
    return "ok taken" if agreed else "python reads another value in the canonical bytes"


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def binary():
    build = ["cargo", "build", "-q", "-p", "remit-core", "--example", "json_canonical", "--message-format=json"]
    built = subprocess.run(build, cwd=HERE.parent.parent, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        fail("cargo could not build the example `json_canonical`")
    artefacts = (json.loads(line) for line in built.stdout.splitlines())
    return next(found for artefact in artefacts if (found := artefact.get("executable")))


def lines_of(command, lines):
    result = subprocess.run(command, input="\n".join(lines) + "\n", stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout.splitlines()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=8785)
    arguments.add_argument("--binary", help="the built example `json_canonical`")
    given = arguments.parse_args()
    node = shutil.which("node") or fail("`node` is not on the path")

    shown = list(documents(random.Random(given.seed), given.count))
    encoded = [base64.b64encode(document).decode() for document in shown]
    verdicts = [line.split(" ") for line in lines_of([given.binary or binary()], encoded)]
    if len(verdicts) != len(shown):
        fail(f"{len(shown)} documents, but {len(verdicts)} verdicts of ours")
    ours = [
        verdict[1] if verdict[0] == "ok" else "?" if verdict[1] in STRICTER else "!" for verdict in verdicts
    ]
    nodes = lines_of([node, str(HERE / "node_check.mjs")], [f"{a} {b}" for a, b in zip(encoded, ours)])
    if len(nodes) != len(shown):
        fail(f"{len(shown)} documents, but {len(nodes)} verdicts of node")

    kinds, disagreements = Counter(), 0
    lenient = {"python": 0, "node": 0}
    for document, text, verdict, mark, nodes_word in zip(shown, encoded, verdicts, ours, nodes):
        kinds["taken" if verdict[0] == "ok" else verdict[1]] += 1
        pythons_word = python_check(document, base64.b64decode(mark) if verdict[0] == "ok" else mark)
        for name, word in (("python", pythons_word), ("node", nodes_word)):
            lenient[name] += mark == "?" and word == "ok taken"
            if not word.startswith("ok"):
                disagreements += 1
                print(f"{word}\n  ours: {' '.join(verdict)[:200]}\n  document: {text[:400]}")
    for kind, times in kinds.most_common():
        print(f"{times:7}  {kind}")
    print(
        f"{len(shown)} documents, seed {given.seed}: {kinds['taken']} taken by all three alike, "
        f"{len(shown) - kinds['taken']} refused (python takes {lenient['python']} of them, node {lenient['node']}), "
        f"{disagreements} disagreements"
    )
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
