// More clients that know nothing of Remit, each through its own sign-in and a person at a browser: the official Python SDK, and
// the MCP Inspector's command line. Each ends in a governed task, and its token dies with that.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { hasBrowser, person } from './browser.mjs';
import { callback, check, done, remit } from './check.mjs';

const { GATEWAY, PYTHON, INSPECTOR, NOTE, HERE } = process.env;
if (!hasBrowser()) {
  console.log('SKIPPED: no chromium');
  process.exit(0);
}
const alice = await person(process.env.SHOTS);
await alice.signIn(remit('human', 'login', 'alice').link);

const newest = () => [remit('task', 'list')].flat().at(-1);

await check('the Python SDK logs in through the consent page and gets a task', async () => {
  const answers = await callback();
  const child = spawn(PYTHON, [join(HERE, 'stock_python.py')], {
    env: { ...process.env, REDIRECT: answers.url },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((end) => child.on('close', end));
  const seen = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    Object.assign(seen, said);
    if (!said.open) continue;
    await alice.page.goto(said.open);
    await alice.consent('read the notes', 'Open the task');
    const parameters = Object.fromEntries(await answers.next());
    assert.equal(parameters.iss, GATEWAY);
    child.stdin.write(`${JSON.stringify(parameters)}\n`);
  }
  answers.close();
  assert.equal(await ended, 0, JSON.stringify(seen));
  assert.ok(seen.tools.some((name) => name.startsWith('fs__read')));
  assert.ok(!seen.tools.some((name) => /write|edit|move/.test(name)), `nothing else is listed: ${seen.tools}`);
  assert.match(JSON.stringify(seen.read), /a note/);
  assert.equal(seen.write.isError, true);
  assert.equal(seen.write._meta['dev.remit/decision'].decision, 'deny');
  assert.equal(readFileSync(NOTE, 'utf8'), 'this is a note\n');
  const task = remit('task', 'show', newest().task);
  assert.deepEqual([task.initiator, task.agent], ['alice', 'stock-python']);
  remit('kill', task.task);
  const { status } = await fetch(`${GATEWAY}/mcp`, { method: 'POST', headers: { authorization: `Bearer ${seen.token}` } });
  assert.equal(status, 401);
});

await check('the MCP Inspector logs in through the consent page and gets a task', async () => {
  const home = mkdtempSync(join(tmpdir(), 'inspector-'));
  const words = [
    INSPECTOR, '--cli', `${GATEWAY}/mcp`, '--transport', 'http', '--format', 'json', '--client-id', 'stock-inspector',
    '--method', 'tools/call', '--tool-name', 'fs__read_text_file', '--tool-args-json', JSON.stringify({ path: NOTE }),
  ];
  // It wants to open a browser of its own; the person has one.
  const env = { ...process.env, HOME: home, BROWSER: '/bin/true', MCP_AUTO_OPEN_ENABLED: 'true', NO_COLOR: '1' };
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const late = setTimeout(() => child.kill(), 120_000);
  const ended = new Promise((end) => child.on('close', end));
  let [out, err] = ['', ''];
  child.stdout.on('data', (bytes) => (out += bytes));
  for await (const line of createInterface({ input: child.stderr })) {
    err += `${line}\n`;
    const url = /navigate to: (http\S+)/.exec(line)?.[1];
    if (!url) continue;
    await alice.page.goto(url);
    await alice.consent('read the notes', 'Open the task');
  }
  const status = await ended;
  clearTimeout(late);
  rmSync(home, { recursive: true, force: true });
  assert.equal(status, 0, err);
  assert.match(out, /a note/);
  const task = remit('task', 'show', newest().task);
  assert.deepEqual([task.initiator, task.agent], ['alice', 'stock-inspector']);
});

await check('what they did is in the ledger, under the agent and the person', () => {
  const calls = remit('tail', '--once', '-n', '200').filter(({ type, tool }) => type === 'decision' && tool === 'fs/read_text_file');
  const who = new Set(calls.filter(({ decision }) => decision === 'allow').map(({ agent, initiator }) => `${agent} for ${initiator}`));
  assert.deepEqual([...who].sort(), ['stock-inspector for alice', 'stock-python for alice']);
});

await alice.close();
done();
