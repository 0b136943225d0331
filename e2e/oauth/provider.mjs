// An OpenID provider of its own kind: `oidc-provider`, which is certified, with people and groups, and without registration.
import Provider from 'oidc-provider';
import { generateKeyPair, exportJWK } from 'jose';

const issuer = process.env.PROVIDER;
const key = await exportJWK((await generateKeyPair('RS256', { extractable: true })).privateKey);
const people = {
  carol: ['developers'],
  dave: ['reviewers'],
  erin: ['reviewers', 'platform'],
  frank: ['nobody-knows-this-group'],
};

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...key, alg: 'RS256', use: 'sig' }] },
  clients: [
    {
      client_id: 'remit',
      client_secret: 'correct horse',
      redirect_uris: [`${process.env.GATEWAY}/sign-in/callback`],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  scopes: ['openid', 'email', 'groups'],
  conformIdTokenClaims: false,
  cookies: { keys: ['only for tests'] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, groups: people[id] ?? [] }),
  }),
});
provider.listen(Number(new URL(issuer).port), '127.0.0.1');
