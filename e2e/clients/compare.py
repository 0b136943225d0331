"""Compares what one stock client saw directly and through the gateway, step by step.

Usage: compare.py LABEL DIRECT.jsonl THROUGH.jsonl; exit 1 if they differ.

Equal means: the same steps with the same outcome (`ok`, `isError`), the same content and, for lists, the same names
(but for the tools of Remit itself, `remit__…`, and what `denied_on_purpose.txt` names).
A refusal has to be a refusal on both sides; its words may differ. `_meta`, times and versions are nobody's business.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

NAMED = {"list_tools": "tools", "list_resources": "resources", "list_prompts": "prompts", "list_templates": "resourceTemplates"}


def read(path: str) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def withheld(server: str) -> set[tuple[str, str]]:
    """Operation and name of what is not seen through Remit by design."""
    lines = pathlib.Path(__file__).with_name("denied_on_purpose.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split(maxsplit=3) for line in lines if line.strip() and not line.startswith("#")]
    return {(operation, name) for of, operation, name, _why in words if of == server}


def essence(line: dict[str, Any], hidden: set[tuple[str, str]]) -> Any:
    if line["op"] == "initialize":
        return line["ok"]
    if not line["ok"] or line.get("isError"):
        return "refused"
    result = line["result"]
    if line["op"] in NAMED:
        names = (entry["name"] for entry in result[NAMED[line["op"]]])
        return sorted(name for name in names if not name.startswith("remit__") and (line["op"], name) not in hidden)
    keys = ("content", "structuredContent", "contents", "messages", "completion")
    return {key: result[key] for key in keys if key in result}


def main() -> int:
    label, direct, through = sys.argv[1], read(sys.argv[2]), read(sys.argv[3])
    hidden = withheld(label.split()[0])
    differences = []
    if not direct or not any(line["ok"] for line in direct if line["op"] != "initialize"):
        differences.append(f"    the direct way itself failed: {json.dumps(direct)[:400]}")
    for number in range(max(len(direct), len(through))):
        before = direct[number] if number < len(direct) else None
        after = through[number] if number < len(through) else None
        name = (before or after or {}).get("id") or (before or after or {}).get("op")
        if before is None or after is None or essence(before, hidden) != essence(after, hidden):
            differences.append(f"    {name}\n      direct  {json.dumps(before)[:400]}\n      through {json.dumps(after)[:400]}")
    revisions = [next((line.get("revision", "-") for line in lines if line["op"] == "initialize"), "-") for lines in (direct, through)]
    verdict = "same" if not differences else f"{len(differences)} DIFFER"
    print(f"{verdict:<9} {label:<32} {len(direct)} steps, direct {revisions[0]}, through {revisions[1]}")
    for difference in differences:
        print(difference)
    return 1 if differences else 0


sys.exit(main())
