"""Searches processes from outside, as root: memory, environment and command line.

    search.py WANTED UNWANTED PID…

Every line of the file WANTED must be found in the memory of some of them (the search works), no line of UNWANTED anywhere, in
none of its encodings. Prints one JSON object; exit 3 when something unwanted is there, 4 when something wanted is not.
"""

import json
import os
import sys

from echo import forms


def regions(pid):
    """What can be read of a process, by name."""
    for name in ("environ", "cmdline"):
        with open(f"/proc/{pid}/{name}", "rb") as part:
            yield name, part.read()
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, mode, *rest = line.split()
            path = rest[3] if len(rest) > 3 else ""
            if "r" not in mode or path in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                yield f"{span} {path}", memory.read(end - start)
            except OSError:
                continue


def main():
    wanted, unwanted = (
        [line for line in open(path, encoding="utf-8").read().split("\n") if line] for path in sys.argv[1:3]
    )
    pids = [int(pid) for pid in sys.argv[3:]]
    missing, found, looked = set(wanted), [], 0
    needles = {form.encode(): secret for secret in unwanted for form in forms(secret)}
    # Strings of interpreters are kept in two and four bytes a character, too.
    for form in list(needles):
        needles[form.decode().encode("utf-16-le")] = needles[form]
        needles[form.decode().encode("utf-32-le")] = needles[form]
    for pid in pids:
        for name, content in regions(pid):
            looked += len(content)
            missing -= {text for text in missing if text.encode() in content}
            found += [f"{pid} {name}" for needle in needles if needle in content]
    print(json.dumps({"processes": len(pids), "bytes": looked, "missing": len(missing), "found": found}))
    if missing or not pids or not unwanted:
        return 4
    return 3 if found else 0


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
