// Machines come to a task: client credentials with a signed assertion, by `openid-client`; and forged assertions, which do not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { importJWK, SignJWT, UnsecuredJWT } from 'jose';
import * as client from 'openid-client';

import { check, done, remit } from './check.mjs';

const gateway = process.env.GATEWAY;
const jwk = (name) => JSON.parse(readFileSync(`${process.env.DIR}/${name}.jwk`, 'utf8'));
const key = await importJWK(jwk('client'), 'ES256');
const stranger = await importJWK(jwk('stranger'), 'ES256');
const discover = (id, auth) =>
  client.discovery(new URL(gateway), id, undefined, auth, { algorithm: 'oauth2', execute: [client.allowInsecureRequests] });

await check('client credentials with private_key_jwt: a task for the system it was registered for', async () => {
  const config = await discover('ci', client.PrivateKeyJwt({ key, kid: 'client' }));
  const tokens = await client.clientCredentialsGrant(config, { resource: `${gateway}/mcp`, intent: 'nightly build' });
  assert.match(tokens.access_token, /^remit_/);
  assert.equal(tokens.refresh_token, undefined);
  const task = remit('task', 'show', tokens.task);
  assert.equal(task.initiator, 'pipeline');
  assert.equal(task.agent, 'builder');
  assert.equal(task.intent?.goal ?? task.goal ?? task.intent, 'nightly build');
  const told = await client.tokenIntrospection(config, tokens.access_token);
  assert.equal(told.sub, 'pipeline');
  await client.tokenRevocation(config, tokens.access_token);
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, false);
});

await check('a client that was registered for nobody opens nothing', async () => {
  const config = await discover('idle', client.PrivateKeyJwt({ key, kid: 'client' }));
  await assert.rejects(client.clientCredentialsGrant(config), (error) => error.error === 'unauthorized_client');
});

const now = () => Math.floor(Date.now() / 1000);
const claims = (change = {}) => ({
  iss: 'ci', sub: 'ci', aud: gateway, jti: crypto.randomUUID(), iat: now(), exp: now() + 60, ...change,
});
const sign = (payload, header = {}, by = key) =>
  new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'client', ...header }).sign(by);
async function ask(assertion, more = {}) {
  const response = await fetch(`${gateway}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
      ...more,
    }),
  });
  return { status: response.status, ...(await response.json()) };
}

await check('a good assertion counts once, also among 12 at once', async () => {
  const assertion = await sign(claims());
  const answers = await Promise.all(Array.from({ length: 12 }, () => ask(assertion)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.equal((await ask(assertion)).error, 'invalid_client');
});

const deep = (depth) => (depth === 0 ? 1 : { x: deep(depth - 1) });
for (const [name, make] of Object.entries({
  'of a stranger': () => sign(claims(), {}, stranger),
  'of a stranger, with its key in the header': () => sign(claims(), { jwk: { ...jwk('stranger'), d: undefined } }, stranger),
  'with a key at an address of its own': () => sign(claims(), { jku: 'https://evil.example/jwks' }, stranger),
  'with a key identifier that is a path': () => sign(claims(), { kid: '../../../dev/null' }),
  'that is unsigned': () => new UnsecuredJWT(claims()).encode(),
  'signed with the public key as a secret': () =>
    new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 'client' }).sign(readFileSync(`${process.env.DIR}/client.jwks`)),
  'for somebody else': () => sign(claims({ aud: 'https://other.example' })),
  'for us and somebody else': () => sign(claims({ aud: [gateway, 'https://other.example'] })),
  'of another subject': () => sign(claims({ sub: 'idle' })),
  'that is over': () => sign(claims({ iat: now() - 600, exp: now() - 300 })),
  'from the future': () => sign(claims({ iat: now() + 600, exp: now() + 900 })),
  'that lives for a day': () => sign(claims({ exp: now() + 86_400 })),
  'without jti': () => sign(claims({ jti: undefined })),
  'that is too long': () => sign(claims({ padding: 'x'.repeat(40_000) })),
  'that is too deep': () => sign(claims({ deep: deep(100) })),
})) {
  await check(`refused: an assertion ${name}`, async () => {
    const answer = await ask(await make());
    assert.equal(answer.error, 'invalid_client', JSON.stringify(answer));
    assert.equal(answer.status, 401);
  });
}

await check('refused: two ways at once, a parameter twice, another content type, an unknown grant', async () => {
  assert.equal((await ask(await sign(claims()), { client_secret: 'x' })).error, 'invalid_request');
  const post = async (body, type = 'application/x-www-form-urlencoded') =>
    (await fetch(`${gateway}/oauth/token`, { method: 'POST', headers: { 'content-type': type }, body })).json();
  assert.equal((await post('grant_type=a&grant_type=b')).error, 'invalid_request');
  assert.equal((await post('{}', 'application/json')).error, 'invalid_request');
  assert.equal((await post('grant_type=password&client_id=stock-ts')).error, 'unsupported_grant_type');
  assert.equal((await post('grant_type=client_credentials&client_id=stock-ts')).error, 'unauthorized_client');
});

await check('what was refused is recorded', () => {
  const records = remit('tail', '--once', '-n', '100');
  assert.ok(records.filter(({ type }) => type === 'oauth.refused').length >= 10);
});

done();
