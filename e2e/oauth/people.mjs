// People sign in through their own OpenID provider: an independent one, with a static client id and no registration.
import assert from 'node:assert/strict';

import { hasBrowser, person } from './browser.mjs';
import { check, done, remit } from './check.mjs';

const gateway = process.env.GATEWAY;
if (!hasBrowser()) {
  console.log('SKIPPED: no chromium');
  process.exit(0);
}
for (let i = 0; i < 100; i += 1) {
  if (await fetch(`${process.env.PROVIDER}/.well-known/openid-configuration`).then((r) => r.ok, () => false)) break;
  await new Promise((wait) => setTimeout(wait, 100));
}

async function arrive(name) {
  const someone = await person(process.env.SHOTS);
  await someone.page.goto(`${gateway}/sign-in`);
  await someone.page.getByRole('link', { name: 'Go on' }).click();
  await someone.page.getByPlaceholder(/login/i).fill(name);
  await someone.page.getByPlaceholder(/password/i).fill('anything');
  await someone.page.getByRole('button', { name: /sign-in/i }).click();
  await someone.page.getByRole('button', { name: /continue/i }).click();
  return someone;
}
const text = (someone) => someone.page.innerText('main');

await check('a person of a known group signs in, and is registered with its roles', async () => {
  const carol = await arrive('carol');
  assert.match(await text(carol), /signed in as carol@example\.org/i);
  const human = remit('human', 'show', 'carol@example.org');
  assert.deepEqual(human.roles, ['initiator']);
  await carol.page.getByRole('button', { name: 'Sign out' }).click();
  assert.match(await text(carol), /organisation/);
  await carol.close();
});

await check('duties are separate: approver and administrator do not go together', async () => {
  const erin = await arrive('erin');
  const human = remit('human', 'show', 'erin@example.org');
  assert.deepEqual(human.roles.sort(), ['approver', 'auditor']);
  await erin.close();
});

await check('a person of no known group is refused and not registered', async () => {
  const frank = await arrive('frank');
  assert.match(await text(frank), /none of your groups/);
  assert.throws(() => remit('human', 'show', 'frank@example.org'));
  await frank.close();
});

await check('a suspended person does not come in again, and the open session is dead', async () => {
  const dave = await arrive('dave');
  remit('human', 'suspend', 'dave@example.org');
  await dave.page.goto(`${gateway}/sign-in`);
  assert.match(await text(dave), /organisation/);
  const again = await arrive('dave');
  assert.match(await text(again), /may not act/);
  await dave.close();
  await again.close();
});

await check('answers nobody asked for are refused: no flow, another state, another issuer', async () => {
  const other = await person();
  const response = await other.page.goto(`${gateway}/sign-in/callback?code=x&state=y`);
  assert.equal(response.status(), 403);
  const begun = await other.context.request.get(`${gateway}/sign-in/provider`, { maxRedirects: 0 });
  const state = new URL(begun.headers().location).searchParams.get('state');
  const answer = (query) => other.context.request.get(`${gateway}/sign-in/callback?${new URLSearchParams(query)}`, { maxRedirects: 0 });
  assert.equal((await answer({ code: 'x', state: 'y' })).status(), 403);
  assert.equal((await answer({ code: 'x', state, iss: 'https://evil.example' })).status(), 403);
  assert.equal((await answer({ code: 'x', state })).status(), 403);
  await other.close();
});

await check('with a provider there are no links', () => {
  assert.throws(() => remit('human', 'login', process.env.ME));
});

done();
