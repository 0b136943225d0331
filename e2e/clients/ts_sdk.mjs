// Drives an MCP server with the official TypeScript SDK and prints what it saw, one JSON line per step.
//
// Usage: run.sh ts < steps.jsonl, or `run.sh ts1` for the SDK's first generation   (see README.md)
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const DECISION = 'dev.remit/decision';
const generation = process.env.MCP_SDK ?? '2';
const sdk =
  generation === '1'
    ? {
        ...(await import('@modelcontextprotocol/sdk/client/index.js')),
        ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
        ...(await import('@modelcontextprotocol/sdk/client/stdio.js')),
        ...(await import('@modelcontextprotocol/sdk/types.js')),
      }
    : { ...(await import('@modelcontextprotocol/client')), ...(await import('@modelcontextprotocol/client/stdio')) };

const answers = JSON.parse(process.env.MCP_CLIENT ?? '{}');
const revision = process.env.MCP_REVISION ?? 'default';
let arrived = [];

const emit = (line) => console.log(JSON.stringify(line));

function seen(result) {
  const line = { ok: true, result };
  for (const key of ['isError', 'structuredContent', '_meta', 'resultType']) if (key in result) line[key] = result[key];
  const decision = result._meta?.[DECISION];
  return decision === undefined ? line : { ...line, decision };
}

function failed(error) {
  const { code, message, data } = error;
  const kind = error.constructor?.name ?? 'Error';
  return { ok: false, error: { kind, code, message, data, ...(error.cause ? { cause: String(error.cause.message ?? error.cause) } : {}) } };
}

// The SDK's default is 2025-11-25 in both generations; `auto` and a pinned revision exist in the second one alone.
function negotiation() {
  if (generation === '1' || revision === 'default') return {};
  if (revision === '2025-11-25') return { versionNegotiation: { mode: 'legacy' } };
  return { versionNegotiation: { mode: revision === 'auto' ? 'auto' : { pin: revision } } };
}

function makeClient() {
  const capabilities = {};
  for (const name of ['sampling', 'elicitation', 'roots']) if (answers[name]) capabilities[name] = {};
  const client = new sdk.Client({ name: 'remit-e2e-ts', version: '1' }, { capabilities, ...negotiation() });
  const handle = (method, schema, name) => {
    if (!answers[name]) return;
    client.setRequestHandler(generation === '1' ? schema : method, async (request) => {
      arrived.push({ method, params: request.params });
      return answers[name];
    });
  };
  handle('sampling/createMessage', sdk.CreateMessageRequestSchema, 'sampling');
  handle('elicitation/create', sdk.ElicitRequestSchema, 'elicitation');
  handle('roots/list', sdk.ListRootsRequestSchema, 'roots');
  client.fallbackNotificationHandler = async ({ method, params }) => {
    arrived.push({ method, params });
  };
  return client;
}

function makeTransport() {
  if (process.env.MCP_STDIO) {
    const [command, ...args] = JSON.parse(process.env.MCP_STDIO);
    return new sdk.StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
  }
  const token = process.env.MCP_TOKEN;
  const requestInit = token ? { headers: { Authorization: `Bearer ${token}` } } : {};
  return new sdk.StreamableHTTPClientTransport(new URL(process.env.MCP_URL), { requestInit });
}

async function callTool(client, { name, arguments: args, meta, timeout_s: timeout = 120, progress, cancel_after_ms: cancel }) {
  const steps = [];
  const stop = new AbortController();
  const timer = cancel === undefined ? undefined : setTimeout(() => stop.abort('cancelled by the plan'), cancel);
  const options = { timeout: timeout * 1000, signal: stop.signal };
  if (progress) options.onprogress = (step) => steps.push(step);
  const params = { name, ...(args === undefined ? {} : { arguments: args }), ...(meta ? { _meta: meta } : {}) };
  try {
    const result = generation === '1' ? await client.callTool(params, undefined, options) : await client.callTool(params, options);
    return { ...seen(result), ...(progress ? { progress: steps } : {}) };
  } catch (error) {
    if (stop.signal.aborted) return { ok: false, cancelled: true, progress: steps };
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function listen(client, { filter = { toolsListChanged: true }, count = 1, timeout_s: timeout = 10 }) {
  const subscription = await client.listen(filter);
  emit({ op: 'listening', ok: true, honored: subscription.honoredFilter });
  const events = () => arrived.filter(({ method }) => method.endsWith('list_changed') || method.endsWith('updated'));
  for (let waited = 0; events().length < count && waited < timeout * 1000; waited += 20) await delay(20);
  const got = events().map(({ method }) => method);
  await subscription.close();
  return { ok: got.length >= count, events: got };
}

async function perform(client, step) {
  switch (step.op) {
    case 'list_tools': return seen(await client.listTools());
    case 'call_tool': return callTool(client, step);
    case 'list_resources': return seen(await client.listResources());
    case 'list_templates': return seen(await client.listResourceTemplates());
    case 'read_resource': return seen(await client.readResource({ uri: step.uri }));
    case 'subscribe': return seen(await client.subscribeResource({ uri: step.uri }));
    case 'unsubscribe': return seen(await client.unsubscribeResource({ uri: step.uri }));
    case 'list_prompts': return seen(await client.listPrompts());
    case 'get_prompt': return seen(await client.getPrompt({ name: step.name, arguments: step.arguments }));
    case 'complete': {
      const [name, value] = [step.argument.name, step.argument.value];
      return seen(await client.complete({ ref: { type: 'ref/prompt', name: step.prompt }, argument: { name, value } }));
    }
    case 'ping': return seen(await client.ping());
    case 'set_log_level': return seen(await client.setLoggingLevel(step.level));
    case 'listen': return listen(client, step);
    case 'sleep': await delay(step.ms); return { ok: true };
    default: return { ok: false, error: { kind: 'plan', message: `unknown op \`${step.op}\`` } };
  }
}

const client = makeClient();
const transport = makeTransport();
try {
  await client.connect(transport);
} catch (error) {
  emit({ op: 'initialize', ...failed(error) });
  process.exit(1);
}
emit({
  op: 'initialize',
  ok: true,
  revision: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion,
  serverInfo: client.getServerVersion(),
  capabilities: client.getServerCapabilities(),
  instructions: client.getInstructions(),
});
for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const step = JSON.parse(line);
  arrived = [];
  const start = performance.now();
  const outcome = await perform(client, step).catch(failed);
  const label = 'id' in step ? { id: step.id } : {};
  const extra = arrived.length > 0 ? { arrived } : {};
  emit({ op: step.op, ...label, ...outcome, ...extra, ms: Math.round(performance.now() - start) });
}
await transport.terminateSession?.().catch(() => {});
await client.close();
