// Checks with a name each; the last line is `N passed, N failed`.
import { execFileSync } from 'node:child_process';
import http from 'node:http';

let passed = 0;
let failed = 0;

export async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error?.message ?? error}`);
    if (process.env.VERBOSE) console.log(error?.stack, error?.cause ?? '');
  }
}

export function done() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

// `remit … --json`
export function remit(...args) {
  const out = execFileSync(process.env.REMIT_BIN, [...args, '--json'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = out.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  return lines.length === 1 ? lines[0] : lines;
}

// Where a client gets its answer: resolves with the parameters of each request.
export async function callback(path = '/callback') {
  const arrived = [];
  const waiting = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://127.0.0.1');
    if (url.pathname !== path) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'text/plain' }).end('you can close this page');
    const take = waiting.shift();
    if (take) take(url.searchParams);
    else arrived.push(url.searchParams);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${server.address().port}${path}`;
  const next = () => {
    if (arrived.length) return Promise.resolve(arrived.shift());
    return new Promise((take, fail) => {
      const late = setTimeout(() => fail(new Error('no answer came back')), 5000);
      waiting.push((parameters) => (clearTimeout(late), take(parameters)));
    });
  };
  return { url, next, close: () => server.close() };
}

// A client's metadata document (CIMD) on this machine; `change` spoils it.
export async function document(redirectUris, change = (document) => document) {
  let fetched = 0;
  const server = http.createServer((request, response) => {
    fetched += 1;
    const id = `http://127.0.0.1:${server.address().port}${request.url}`;
    const made = change({
      client_id: id,
      client_name: 'Example editor',
      redirect_uris: redirectUris,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    });
    if (made?.location) return response.writeHead(302, { location: made.location }).end();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(made));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    id: `http://127.0.0.1:${server.address().port}/client.json`,
    fetched: () => fetched,
    close: () => server.close(),
  };
}
