// Stock clients sign in through the browser and get a governed task, and nothing else: the official TypeScript SDK with a
// static client id, and `oauth4webapi` with a client metadata document. Then everything that must not work.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { hasBrowser, person } from './browser.mjs';
import { callback, check, document, done, remit } from './check.mjs';

const gateway = process.env.GATEWAY;
const shots = process.env.SHOTS;
const insecure = { [oauth.allowInsecureRequests]: true };

if (!hasBrowser()) {
  console.log('SKIPPED: no chromium');
  process.exit(0);
}

const alice = await person(shots);
const answers = await callback();
const issuer = new URL(gateway);
let as;

await check('discovery: RFC 8414 and OpenID Connect say the same', async () => {
  const read = async (algorithm) =>
    oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }));
  as = await read('oauth2');
  assert.deepEqual(await read('oidc'), as);
  assert.deepEqual(as.code_challenge_methods_supported, ['S256']);
  assert.equal(as.authorization_response_iss_parameter_supported, true);
});

await check('protected resource metadata: of the aggregate and of one server, and in the challenge of 401', async () => {
  for (const path of ['/mcp', '/mcp/fs']) {
    const response = await fetch(`${gateway}${path}`, { method: 'POST' });
    assert.equal(response.status, 401);
    const where = /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate'))[1];
    assert.equal(where, `${gateway}/.well-known/oauth-protected-resource${path}`);
    const metadata = await oauth.processResourceDiscoveryResponse(
      new URL(`${gateway}${path}`),
      await oauth.resourceDiscoveryRequest(new URL(`${gateway}${path}`), insecure),
    );
    assert.deepEqual(metadata.authorization_servers, [gateway]);
  }
  assert.equal((await fetch(`${gateway}/.well-known/oauth-protected-resource/mcp/__`)).status, 404);
});

await check('nobody is signed in: the page says how, and brings back afterwards', async () => {
  await alice.page.goto(await authorizationUrl({ client_id: 'stock-ts' }));
  assert.match(alice.page.url(), /\/sign-in$/);
  await alice.shot('1-sign-in');
  const { link } = remit('human', 'login', 'alice');
  await alice.page.goto(link);
  await alice.shot('2-link');
  await alice.page.getByRole('button', { name: 'Sign in as alice' }).click();
  assert.match(alice.page.url(), /\/oauth\/authorize/);
  await assert.rejects(async () => {
    await alice.page.goto(link);
    await alice.page.getByRole('button', { name: 'Sign in as alice' }).click({ timeout: 1000 });
  });
});

let stock;
await check('the TypeScript SDK logs in through the consent page and gets a task', async () => {
  const provider = {
    redirectUrl: answers.url,
    clientMetadata: { client_name: 'Stock TypeScript client', redirect_uris: [answers.url] },
    clientInformation: () => ({ client_id: 'stock-ts' }),
    tokens: () => provider.saved,
    saveTokens: (tokens) => void (provider.saved = tokens),
    saveCodeVerifier: (verifier) => void (provider.verifier = verifier),
    codeVerifier: () => provider.verifier,
    redirectToAuthorization: async (url) => {
      await alice.page.goto(url.href);
      await alice.shot('3-consent');
      await alice.consent('read the notes and say what is in them', 'Open the task');
    },
  };
  const connect = () => {
    const transport = new StreamableHTTPClientTransport(new URL(`${gateway}/mcp`), { authProvider: provider });
    const client = new Client({ name: 'stock', version: '1' });
    return { transport, client };
  };
  const first = connect();
  await assert.rejects(first.client.connect(first.transport));
  const parameters = await answers.next();
  assert.equal(parameters.get('iss'), gateway);
  await first.transport.finishAuth(parameters);
  const second = connect();
  await second.client.connect(second.transport);
  const { tools } = await second.client.listTools();
  assert.ok(tools.some((tool) => tool.name.startsWith('fs__read')), 'the tools of the task are listed');
  assert.ok(!tools.some((tool) => /write|edit|move/.test(tool.name)), 'nothing else is');
  const read = await second.client.callTool({ name: 'fs__read_text_file', arguments: { path: process.env.NOTE } });
  assert.match(JSON.stringify(read), /a note/);
  stock = provider.saved;
  await second.client.close();
  const task = remit('task', 'show', stock.task ?? (await taskOf(stock)));
  assert.equal(task.initiator, 'alice');
  assert.equal(task.agent, 'stock-ts');
});

await check('a token is opaque and says nothing by itself', () => {
  assert.match(stock.access_token, /^remit_[A-Za-z0-9_-]{43}$/);
});

let editor;
await check('a client metadata document: the host is shown, the task opens from a template', async () => {
  editor = await document([answers.url.replace(/:\d+/, '')]);
  const flow = await begin({ client_id: editor.id });
  await alice.page.goto(flow.url);
  await alice.consent('tidy the notes', /Show/, (page) => page.getByLabel('Kind of task').selectOption('coding'));
  await alice.page.getByLabel(/^repo/).fill(`fs:${process.env.NOTES}`);
  await alice.page.getByRole('button', { name: /Show/ }).click();
  await alice.shot('4-template');
  assert.match(await alice.page.content(), new RegExp(new URL(editor.id).host));
  await alice.page.getByRole('button', { name: 'Open the task' }).click();
  const tokens = await finish(flow);
  assert.ok(tokens.refresh_token);
  const task = remit('task', 'show', tokens.task);
  assert.equal(task.template, 'coding');
  assert.match(task.agent, /^127\.0\.0\.1-[0-9a-f]{12}$/);
  editor.tokens = tokens;
});

await check('refresh: a new pair, the access token before is dead, the task has more time', async () => {
  const before = editor.tokens;
  const client = { client_id: editor.id };
  const after = await refresh(client, before.refresh_token);
  assert.notEqual(after.access_token, before.access_token);
  assert.equal(await status(before.access_token), 401);
  assert.equal(await status(after.access_token), 200);
  editor.tokens = { ...after, old: before.refresh_token };
});

await check('refresh: the second use of a refresh token ends the task', async () => {
  await assert.rejects(refresh({ client_id: editor.id }, editor.tokens.old), { error: 'invalid_grant' });
  assert.equal(await status(editor.tokens.access_token), 401);
  assert.equal(remit('task', 'show', editor.tokens.task).state, 'revoked');
});

await check('a token for one server holds that server alone', async () => {
  const flow = await begin({ client_id: 'stock-ts', resource: `${gateway}/mcp/fs` });
  await alice.page.goto(flow.url);
  await alice.consent('look', 'Open the task');
  const tokens = await finish(flow);
  const { authority } = remit('task', 'show', tokens.task);
  assert.ok(authority.tools.length > 0 && authority.tools.every((tool) => tool.startsWith('fs/')), JSON.stringify(authority.tools));
});

await check('refusing on the page: access_denied with state and iss, and no task', async () => {
  const before = [remit('task', 'list', '--all')].flat().length;
  const flow = await begin({ client_id: 'stock-ts' });
  await alice.page.goto(flow.url);
  await alice.page.getByRole('button', { name: 'Refuse' }).click();
  const parameters = await answers.next();
  assert.equal(parameters.get('error'), 'access_denied');
  assert.equal(parameters.get('state'), flow.state);
  assert.equal(parameters.get('iss'), gateway);
  assert.equal([remit('task', 'list', '--all')].flat().length, before);
});

await check('what was shown is what is opened: a changed template is shown again first', async () => {
  const flow = await begin({ client_id: 'stock-ts' });
  await alice.page.goto(flow.url);
  await alice.consent('look', 'Open the task', (page) => page.getByLabel('Kind of task').selectOption('triage'));
  assert.match(alice.page.url(), /\/oauth\/authorize/);
  assert.equal(await alice.page.getByRole('alert').count(), 1);
});

await check('a page is answered once, and only by the session it was shown to', async () => {
  const flow = await begin({ client_id: 'stock-ts' });
  await alice.page.goto(flow.url);
  const form = {};
  for (const name of ['request', 'shown']) form[name] = await alice.page.locator(`input[name=${name}]`).inputValue();
  const cookie = (await alice.context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
  const send = (headers, more = {}) =>
    fetch(`${gateway}/oauth/authorize`, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin: gateway, cookie, 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams({ ...form, goal: 'look', template: '-', ttl: '1h', action: 'open', ...more }),
    });
  assert.equal((await send({ origin: 'http://evil.example' })).status, 403);
  assert.equal((await send({ origin: 'null' })).status, 403);
  assert.equal((await send({ 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await send({ cookie: '' })).status, 403);
  const { link } = remit('human', 'login', 'bob');
  const bob = await person();
  await bob.signIn(link);
  const other = (await bob.context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
  assert.equal((await send({ cookie: other })).status, 403);
  await bob.close();
  assert.equal((await send({}, { request: `${form.request.slice(0, -4)}AAAA` })).status, 403);
  const [one, two] = await Promise.all([send({}), send({})]);
  assert.deepEqual([one.status, two.status].sort(), [303, 409]);
});

await check('the page runs no script, loads nothing, and cannot be framed', async () => {
  const flow = await begin({ client_id: 'stock-ts' });
  const response = await alice.page.goto(flow.url);
  const policy = response.headers()['content-security-policy'];
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!/unsafe|script-src/.test(policy));
  assert.equal(response.headers()['cache-control'], 'no-store');
  assert.ok(!(await alice.page.content()).includes('<script'));
  assert.deepEqual(alice.problems.filter((problem) => /Content.Security|Refused|script/i.test(problem)), []);
});

const shown = (url) => alice.page.goto(url).then(async (response) => ({ status: response.status(), text: await alice.page.innerText('main') }));

for (const [name, change] of Object.entries({
  'a redirect address that is not registered': { redirect_uri: 'http://127.0.0.1:1/other' },
  'a redirect address on another host': { redirect_uri: 'https://evil.example/callback' },
  'a wildcard as redirect address': { redirect_uri: 'http://127.0.0.1:*/callback' },
  'an unknown client': { client_id: 'nobody' },
  'a metadata document on a private address over https': { client_id: 'https://127.0.0.1/client.json' },
  'a metadata document at the cloud metadata address': { client_id: 'http://169.254.169.254/latest/meta-data' },
  'a metadata document behind a user name': { client_id: 'http://user@127.0.0.1/client.json' },
})) {
  await check(`refused on the page, nothing sent back: ${name}`, async () => {
    const { url } = await begin({ client_id: 'stock-ts', ...change });
    const { status, text } = await shown(url);
    assert.equal(status, 400, text);
    assert.match(text, /cannot be trusted/);
  });
}

for (const [name, change] of Object.entries({
  'another client_id inside': (made) => ({ ...made, client_id: 'https://evil.example/client.json' }),
  'a redirect': () => ({ location: 'http://127.0.0.1/elsewhere' }),
  'a wildcard redirect address': (made) => ({ ...made, redirect_uris: ['https://*.example/cb'] }),
  'a secret': (made) => ({ ...made, client_secret: 'x' }),
  'more than is read': (made) => ({ ...made, padding: 'x'.repeat(100_000) }),
  'symmetric client authentication': (made) => ({ ...made, token_endpoint_auth_method: 'client_secret_basic' }),
})) {
  await check(`a client metadata document with ${name} is refused`, async () => {
    const spoilt = await document([answers.url.replace(/:\d+/, '')], change);
    const { url } = await begin({ client_id: spoilt.id });
    const { status } = await shown(url);
    spoilt.close();
    assert.equal(status, 400);
  });
}

for (const [name, change, error] of [
  ['no PKCE', { code_challenge: '' }, 'invalid_request'],
  ['PKCE in the open', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['the implicit flow', { response_type: 'token' }, 'unsupported_response_type'],
  ['no resource', { resource: '' }, 'invalid_target'],
  ['a resource of somebody else', { resource: 'https://evil.example/mcp' }, 'invalid_target'],
  ['a resource that only begins like ours', { resource: `${gateway}.evil.example/mcp` }, 'invalid_target'],
]) {
  await check(`sent back as ${error}: ${name}`, async () => {
    const flow = await begin({ client_id: 'stock-ts', ...change });
    await alice.page.goto(flow.url);
    const parameters = await answers.next();
    assert.equal(parameters.get('error'), error);
    assert.equal(parameters.get('state'), flow.state);
  });
}

await check('a code: the wrong verifier, another client, another address and a second use each end its task', async () => {
  for (const spoil of [
    { verifier: oauth.generateRandomCodeVerifier() },
    { client: { client_id: 'stock-other' } },
    { redirect: `${answers.url}x` },
  ]) {
    const flow = await opened();
    await assert.rejects(exchange({ ...flow, ...spoil }), { error: 'invalid_grant' });
    await assert.rejects(exchange(flow), { error: 'invalid_grant' });
  }
  const flow = await opened();
  const tokens = await exchange(flow);
  assert.equal(await status(tokens.access_token), 200);
  await assert.rejects(exchange(flow), { error: 'invalid_grant' });
  assert.equal(await status(tokens.access_token), 401);
});

await check('a code: of 12 clients at once at most one wins, and then nobody holds anything', async () => {
  const flow = await opened();
  const results = await Promise.allSettled(Array.from({ length: 12 }, () => exchange(flow)));
  const won = results.filter((result) => result.status === 'fulfilled');
  assert.ok(won.length <= 1, `${won.length} won`);
  for (const { value } of won) assert.equal(await status(value.access_token), 401);
});

await check('revocation ends the task; a token that is not known is gone already', async () => {
  const tokens = await exchange(await opened());
  const client = { client_id: 'stock-ts' };
  const revoke = async (token) =>
    oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.None(), token, insecure));
  await revoke('nonsense');
  await revoke(tokens.refresh_token);
  assert.equal(await status(tokens.access_token), 401);
  assert.equal(remit('task', 'show', tokens.task).state, 'cancelled');
  await assert.rejects(refresh(client, tokens.refresh_token), { error: 'invalid_grant' });
});

await check('introspection: active with the whole story, then inactive with how it ended', async () => {
  const tokens = await exchange(await opened());
  const client = { client_id: 'resource-server' };
  const ask = async (token) =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, oauth.ClientSecretBasic('correct horse'), token, insecure));
  const live = await ask(tokens.access_token);
  assert.equal(live.active, true);
  assert.equal(live.sub, 'alice');
  assert.match(live.act.sub, /^spiffe:\/\/remit\.local\/agent\/stock-ts\/run\/run_/);
  assert.equal(live.authorization_details[0].type, 'mission_resource_access');
  remit('kill', tokens.task);
  const { active, mission, ...rest } = await ask(tokens.access_token);
  assert.equal(active, false);
  assert.deepEqual(rest, {});
  assert.equal(mission.state, 'revoked');
  assert.deepEqual(await ask('nonsense'), { active: false });
  await assert.rejects(
    oauth.introspectionRequest(as, client, oauth.ClientSecretBasic('wrong'), tokens.access_token, insecure)
      .then((response) => oauth.processIntrospectionResponse(as, client, response)),
  );
  await assert.rejects(
    oauth.introspectionRequest(as, { client_id: 'stock-ts' }, oauth.None(), tokens.access_token, insecure)
      .then((response) => oauth.processIntrospectionResponse(as, { client_id: 'stock-ts' }, response)),
  );
});

await check("a person's session does not act as an agent", async () => {
  const cookies = await alice.context.cookies();
  const session = cookies.find(({ name }) => name.endsWith('session'));
  assert.ok(session.httpOnly && session.sameSite === 'Lax');
  assert.equal(await status(session.value), 401);
  const records = remit('tail', '--once', '-n', '50');
  assert.ok(JSON.stringify(records).includes('human_credential'), 'the attempt is recorded');
});

await check('a name that only points here reaches no page', async () => {
  const { request } = await import('node:http');
  const { hostname, port } = new URL(gateway);
  const answered = await new Promise((resolve) =>
    request({ host: hostname, port, path: '/sign-in', headers: { host: 'evil.example' } }, resolve).end(),
  );
  assert.equal(answered.statusCode, 403);
});

await alice.close();
answers.close();
editor?.close();
done();

// --- the flow, step by step -----------------------------------------------------------------------------------------

async function begin(parameters) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = await authorizationUrl({
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    ...parameters,
  });
  return { url, verifier, state, client: { client_id: parameters.client_id }, redirect: answers.url };
}

async function authorizationUrl(parameters) {
  const url = new URL('/oauth/authorize', gateway);
  const all = {
    response_type: 'code',
    redirect_uri: answers.url,
    code_challenge: await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier()),
    code_challenge_method: 'S256',
    resource: `${gateway}/mcp`,
    ...parameters,
  };
  for (const [key, value] of Object.entries(all)) if (value) url.searchParams.set(key, value);
  return url.href;
}

async function opened() {
  const flow = await begin({ client_id: 'stock-ts' });
  await alice.page.goto(flow.url);
  await alice.consent('look at the notes', 'Open the task');
  return { ...flow, parameters: await answers.next() };
}

async function exchange({ client, verifier, state, redirect, parameters }) {
  const checked = oauth.validateAuthResponse(as, client, parameters, state);
  const response = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), checked, redirect, verifier, insecure);
  return oauth.processAuthorizationCodeResponse(as, client, response);
}

async function finish(flow) {
  return exchange({ ...flow, parameters: await answers.next() });
}

async function refresh(client, token) {
  const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, insecure);
  return oauth.processRefreshTokenResponse(as, client, response);
}

// What `/mcp` says to a token.
async function status(token) {
  const response = await fetch(`${gateway}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'server/discover',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'server/discover',
      params: {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  });
  await response.arrayBuffer();
  return response.status;
}

async function taskOf() {
  return [remit('task', 'list')].flat().at(-1).task;
}
