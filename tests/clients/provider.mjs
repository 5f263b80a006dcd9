// An OpenID provider that nobody here wrote, over HTTPS on the loopback address: oidc-provider, with a client for each
// algorithm, a grant for persons, and keys that can be rotated. Usage: node provider.mjs FOLDER PORT
//
// FOLDER holds cert.pem, key.pem and ca.pem, and gets keys.json: a provider that is killed comes back with its keys.
// POST /rotate makes new keys, signs with them from that moment on, and goes on publishing those before.
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, port] = process.argv.slice(2);
// NODE_PATH says where the package is; `import` alone would not look there.
const installed = createRequire(import.meta.url).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(installed));

const read = (name) => readFileSync(join(folder, name));
const keysFile = join(folder, 'keys.json');

const KINDS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

const generation = () =>
  Object.entries(KINDS).map(([alg, make]) => ({
    ...make().privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${randomUUID()}`,
  }));

/** The newest keys first: the provider signs with the first that fits. */
let keys = existsSync(keysFile) ? JSON.parse(readFileSync(keysFile)) : generation();
let answer;

const algorithmOf = (clientId) => clientId.split('-')[1];
const client = (id, more) => ({
  client_id: id, client_secret: `secret of ${id}`, token_endpoint_auth_method: 'client_secret_post',
  redirect_uris: [], response_types: [], grant_types: ['client_credentials', 'person'], ...more,
});

function resource(clientId) {
  const jwt = { sign: { alg: algorithmOf(clientId) } };
  return { scope: '', audience: 'gevinst', accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt };
}

function start() {
  writeFileSync(keysFile, JSON.stringify(keys));
  const provider = new Provider(`https://127.0.0.1:${port}`, {
    jwks: { keys },
    clients: [
      ...Object.keys(KINDS).map((alg) => client(`system-${alg}`)),
      client('bound-ES256', { tls_client_certificate_bound_access_tokens: true }),
    ],
    cookies: { keys: [createHash('sha256').update(folder).digest('hex')] },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(KINDS) },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    extraTokenClaims: () => ({ resource_access: { gevinst: { roles: ['kontor', 'andet'] } } }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:gevinst',
        getResourceServerInfo: (ctx, indicator, { clientId }) => resource(clientId),
      },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate(),
      },
    },
  });
  // Who has logged in is not what is tested: this grant takes the client's word for it.
  const person = async (ctx, next) => {
    const { client: by, params } = ctx.oidc;
    const token = new provider.AccessToken({ client: by, accountId: params.person, gty: 'person' });
    token.resourceServer = new provider.ResourceServer('urn:gevinst', resource(by.clientId));
    ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: token.expiration };
    await next();
  };
  provider.registerGrantType('person', person, ['person']);
  answer = provider.callback();
}

start();
const tls = { cert: read('cert.pem'), key: read('key.pem'), ca: read('ca.pem'), requestCert: true, rejectUnauthorized: false };
const server = createServer(tls, (request, response) => {
  if (request.url === '/rotate') {
    keys = [...generation(), ...keys.slice(0, Object.keys(KINDS).length)];
    start();
    response.end();
  } else {
    answer(request, response);
  }
});
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('serving\n'));
