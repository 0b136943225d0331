// `oidc-provider`, which is certified, as the provider of an API: refresh tokens rotate with every use, one that is used twice
// ends its grant, and access tokens live a minute and a bit. Its userinfo endpoint is the API. What it gave is counted on
// `/counts`, which no provider has.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';
import { generateKeyPair, exportJWK } from 'jose';

const issuer = process.env.ROTATING;
const key = await exportJWK((await generateKeyPair('RS256', { extractable: true })).privateKey);
const provider = new Provider(issuer, {
  jwks: { keys: [{ ...key, alg: 'RS256', use: 'sig' }] },
  clients: [
    {
      client_id: 'remit-systems',
      client_secret: 'correct horse',
      redirect_uris: [`${process.env.GATEWAY}/upstream/callback`],
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email'] },
  scopes: ['openid', 'email', 'offline_access'],
  cookies: { keys: ['only for tests'] },
  rotateRefreshToken: true,
  ttl: { AccessToken: 63, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 3600, IdToken: 3600 },
  features: { devInteractions: { enabled: true } },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.org` }) }),
});
const counts = { code: 0, refresh: 0, failed: 0, last_refresh: '' };
provider.on('grant.success', (context) => {
  counts[context.oidc.params.grant_type === 'refresh_token' ? 'refresh' : 'code'] += 1;
  if (context.oidc.params.refresh_token) counts.last_refresh = context.oidc.params.refresh_token;
});
provider.on('grant.error', () => (counts.failed += 1));
const callback = provider.callback();
createServer((request, response) => {
  if (request.url === '/counts') response.end(JSON.stringify(counts));
  else callback(request, response);
}).listen(Number(new URL(issuer).port), '127.0.0.1');
