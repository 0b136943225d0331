// Machines come to a task: client credentials with a signed assertion, by `openid-client`; and forged assertions, which do not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRemoteJWKSet, importJWK, jwtVerify, SignJWT, UnsecuredJWT } from 'jose';
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


const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token';

await check('exchange: a token for a receiver the task names, checked by its published keys', async () => {
  const ci = await discover('ci', client.PrivateKeyJwt({ key, kid: 'client' }));
  const run = await client.clientCredentialsGrant(ci);
  const ask = (more) =>
    client.genericGrantRequest(ci, EXCHANGE, {
      subject_token: run.access_token, subject_token_type: ACCESS, audience: 'https://api.example', ...more,
    });
  const issued = await ask();
  assert.equal(issued.issued_token_type, ACCESS);
  assert.ok(issued.expires_in <= 300);
  const keys = createRemoteJWKSet(new URL(ci.serverMetadata().jwks_uri));
  const { payload } = await jwtVerify(issued.access_token, keys, {
    issuer: gateway, audience: 'https://api.example', typ: 'at+jwt', algorithms: ['ES256'],
  });
  assert.equal(payload.sub, 'pipeline');
  assert.match(payload.act.sub, /^spiffe:\/\/remit\.local\/agent\/builder\/run\/run_/);
  assert.equal(payload.act.sub_profile, 'ai_agent');
  assert.equal(payload.client_id, 'agent:builder');
  assert.equal(payload.task, run.task);
  assert.equal(payload.mission.id, run.task);
  assert.equal(payload.authorization_details[0].type, 'mission_resource_access');
  assert.match(payload.txn, /^dec_/);
  await assert.rejects(ask({ audience: 'https://other.example' }), { error: 'invalid_target' });
  await assert.rejects(ask({ audience: gateway }), { error: 'invalid_target' });
  await assert.rejects(ask({ audience: undefined, resource: `${gateway}/mcp` }), { error: 'invalid_target' });
  await assert.rejects(ask({ subject_token: issued.access_token }), { error: 'invalid_grant' });
  await assert.rejects(ask({ subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }), { error: 'invalid_grant' });
  remit('kill', run.task);
  await assert.rejects(ask(), { error: 'invalid_grant' });
});

await check('DPoP: the token is bound to the key, and worth nothing with another or with none', async () => {
  const ci = await discover('ci', client.PrivateKeyJwt({ key, kid: 'client' }));
  const mine = client.getDPoPHandle(ci, await client.randomDPoPKeyPair());
  const run = await client.clientCredentialsGrant(ci, {}, { DPoP: mine });
  assert.equal(run.token_type.toLowerCase(), 'dpop');
  const exchange = (DPoP) =>
    client.genericGrantRequest(
      ci, EXCHANGE,
      { subject_token: run.access_token, subject_token_type: ACCESS, audience: 'https://api.example' },
      DPoP && { DPoP },
    );
  const issued = await exchange(mine);
  const { payload } = await jwtVerify(issued.access_token, createRemoteJWKSet(new URL(ci.serverMetadata().jwks_uri)));
  assert.match(payload.cnf.jkt, /^[A-Za-z0-9_-]{43}$/);
  await assert.rejects(exchange(undefined), { error: 'invalid_grant' });
  const told = await client.tokenIntrospection(ci, run.access_token);
  assert.equal(told.cnf.jkt, payload.cnf.jkt);
  assert.equal(told.token_type, 'DPoP');
  const theirs = client.getDPoPHandle(ci, await client.randomDPoPKeyPair());
  await assert.rejects(exchange(theirs), { error: 'invalid_grant' });
  const bearer = await fetch(`${gateway}/mcp`, {
    method: 'POST', headers: { authorization: `Bearer ${run.access_token}`, 'content-type': 'application/json' }, body: '{}',
  });
  assert.equal(bearer.status, 401);
});

const PLATFORM = process.env.PLATFORM;
const platform = await importJWK(jwk('platform'), 'ES256');
const published = createServer((request, response) => {
  const document = request.url === '/keys'
    ? readFileSync(`${process.env.DIR}/platform.jwks`, 'utf8')
    : JSON.stringify({ issuer: PLATFORM, jwks_uri: `${PLATFORM}/keys` });
  response.writeHead(200, { 'content-type': 'application/json' }).end(document);
});
await new Promise((listening) => published.listen(new URL(PLATFORM).port, '127.0.0.1', listening));
const job = (repository) =>
  new SignJWT({ repository }).setProtectedHeader({ alg: 'ES256', kid: 'platform' }).setIssuer(PLATFORM).setAudience('remit')
    .setSubject(`repo:${repository}`).setIssuedAt().setExpirationTime('1m').sign(platform);

await check("a system's token: the jwt-bearer grant and the exchange open a task for it, and only through a client", async () => {
  const ci = await discover('ci', client.PrivateKeyJwt({ key, kid: 'client' }));
  const ASSERTION = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  assert.ok(ci.serverMetadata().grant_types_supported.includes(ASSERTION));
  const JWT = 'urn:ietf:params:oauth:token-type:jwt';
  for (const [grant, parameters] of [
    [ASSERTION, async (token) => ({ assertion: token })],
    [EXCHANGE, async (token) => ({ subject_token: token, subject_token_type: JWT })],
  ]) {
    const tokens = await client.genericGrantRequest(ci, grant, await parameters(await job('acme/web')));
    const task = remit('task', 'show', tokens.task);
    assert.deepEqual([task.initiator, task.agent, task.template], ['pipeline', 'builder', 'support']);
    await assert.rejects(client.genericGrantRequest(ci, grant, await parameters(await job('acme/other'))), { error: 'invalid_grant' });
    const alone = await fetch(`${gateway}/oauth/token`, {
      method: 'POST', body: new URLSearchParams({ grant_type: grant, ...(await parameters(await job('acme/web'))) }),
    });
    assert.equal((await alone.json()).error, 'invalid_client');
  }
});

await check('a JWT-SVID as client assertion: for our issuer alone, of the registered identity', async () => {
  const mesh = await importJWK(jwk('mesh'), 'ES256');
  const svid = (subject, audience) =>
    new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'mesh', typ: 'JWT' }).setSubject(subject).setAudience(audience)
      .setIssuedAt().setExpirationTime('2m').sign(mesh);
  // As `openid-client` lets clients authenticate in a way of their own.
  const bySvid = (subject, audience = gateway) => async (_as, _client, body) => {
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe');
    body.set('client_assertion', await svid(subject, audience));
  };
  const config = await discover('deployer', bySvid('spiffe://acme/ci/deploy'));
  assert.ok(config.serverMetadata().token_endpoint_auth_methods_supported.includes('spiffe_jwt'));
  const tokens = await client.clientCredentialsGrant(config);
  assert.equal(remit('task', 'show', tokens.task).initiator, 'pipeline');
  for (const wrong of [bySvid('spiffe://acme/other'), bySvid('spiffe://acme/ci'), bySvid('spiffe://acme/ci/x', `${gateway}/oauth/token`)]) {
    const config = await discover('deployer', wrong);
    await assert.rejects(client.clientCredentialsGrant(config), ({ error, cause }) => (error ?? cause?.[0]?.parameters?.error ?? 'invalid_client') === 'invalid_client');
  }
});
published.close();

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
