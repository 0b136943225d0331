// Reads lines "document_base64 canonical_base64|!" ("!": refused by the grammar, "?": refused by a stricter
// rule) and prints one line for each: "ok", or what disagrees.

import { createInterface } from "node:readline";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${members.join(",")}}`;
}

function read(base64) {
  try {
    return { value: JSON.parse(utf8.decode(Buffer.from(base64, "base64"))) };
  } catch (error) {
    return { error };
  }
}

function check(document, ours) {
  const theirs = read(document);
  if (ours === "?") return theirs.error ? "ok refused" : "ok taken";
  if (ours === "!") return theirs.error ? "ok refused" : "node takes what the grammar of ours refuses";
  if (theirs.error) return `node refuses: ${theirs.error.message}`;
  const expected = Buffer.from(ours, "base64");
  if (!expected.equals(Buffer.from(canonical(theirs.value)))) return "node makes other canonical bytes of the document";
  const again = read(ours);
  if (again.error || !expected.equals(Buffer.from(canonical(again.value)))) return "node does not read the canonical bytes back";
  return "ok taken";
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const [document, ours] = line.split(" ");
  console.log(check(document, ours));
}
