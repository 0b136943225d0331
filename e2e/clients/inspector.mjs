// Drives an MCP server with the MCP Inspector's command line, one run of it per step, and prints what it answered,
// one JSON line per step. The Inspector opens a connection of its own each time.
//
// Usage: run.sh inspector < steps.jsonl          (see README.md)
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const DECISION = 'dev.remit/decision';
const { INSPECTOR, MCP_URL, MCP_TOKEN, MCP_STDIO, MCP_REVISION } = process.env;
const home = mkdtempSync(join(tmpdir(), 'inspector-'));

const METHODS = {
  list_tools: ['tools/list'],
  call_tool: ['tools/call'],
  list_resources: ['resources/list'],
  list_templates: ['resources/templates/list'],
  read_resource: ['resources/read'],
  list_prompts: ['prompts/list'],
  get_prompt: ['prompts/get'],
};

const ERAS = { '2025-11-25': 'legacy', '2026-07-28': 'modern', auto: 'auto' };

function command(step) {
  const target = MCP_STDIO ? JSON.parse(MCP_STDIO) : [MCP_URL, '--transport', 'http'];
  const words = ['--cli', ...target, '--format', 'json', '--quiet', '--method', METHODS[step.op][0]];
  if (MCP_TOKEN && !MCP_STDIO) words.push('--header', `Authorization: Bearer ${MCP_TOKEN}`);
  if (ERAS[MCP_REVISION]) words.push('--protocol-era', ERAS[MCP_REVISION]);
  if (step.op === 'call_tool') {
    words.push('--tool-name', step.name, '--tool-args-json', JSON.stringify(step.arguments ?? {}));
  } else if (step.op === 'get_prompt') {
    words.push('--prompt-name', step.name);
    for (const [name, value] of Object.entries(step.arguments ?? {})) words.push('--prompt-args', `${name}=${value}`);
  } else if (step.op === 'read_resource') {
    words.push('--uri', step.uri);
  }
  return words;
}

function parse(textOut) {
  try {
    return JSON.parse(textOut);
  } catch {
    return undefined;
  }
}

function perform(step) {
  if (!METHODS[step.op]) return { ok: false, error: { kind: 'plan', message: `the inspector has no \`${step.op}\`` } };
  const run = spawnSync(process.execPath, [INSPECTOR, ...command(step)], {
    encoding: 'utf8',
    timeout: (step.timeout_s ?? 120) * 1000,
    env: { ...process.env, HOME: home },
    maxBuffer: 64 * 1024 * 1024,
  });
  const body = parse(run.stdout);
  const result = body?.result ?? body;
  if (result === undefined || body?.error) {
    const error = body?.error ?? parse(run.stderr)?.error ?? { message: run.stderr.trim() };
    return { ok: false, exit: run.status, error };
  }
  const line = { ok: true, exit: run.status, result };
  for (const key of ['isError', 'structuredContent', '_meta', 'resultType']) if (key in result) line[key] = result[key];
  const decision = result._meta?.[DECISION];
  return decision === undefined ? line : { ...line, decision };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const step = JSON.parse(line);
  const start = performance.now();
  const label = 'id' in step ? { id: step.id } : {};
  console.log(JSON.stringify({ op: step.op, ...label, ...perform(step), ms: Math.round(performance.now() - start) }));
}
rmSync(home, { recursive: true, force: true });
