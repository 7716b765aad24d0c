// A certified OpenID provider for tests: the engine is oidc-provider, this is who
// is known there and a page by which a test signs in, weakly or strongly.
import { generateKeyPairSync } from 'node:crypto'
import Provider from 'oidc-provider'

const port = Number(process.env.OIDC_PORT)
const people = JSON.parse(process.env.OIDC_PEOPLE)
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: JSON.parse(process.env.OIDC_CLIENTS),
  jwks: { keys: [{ ...key, kid: 'one', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['a test'] },
  acrValues: ['urn:pwd', 'urn:mfa'],
  claims: { openid: ['sub', 'amr'], acr: null, auth_time: null, sid: null, iss: null, profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'] },
  features: {
    devInteractions: { enabled: false },
    claimsParameter: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  interactions: { url: (_, { uid }) => `/at/${uid}` },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  // Nobody is asked for consent: whoever signs in has given it.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
    grant.addOIDCScope('openid profile email groups')
    grant.addOIDCClaims(['acr', 'amr', 'auth_time'])
    await grant.save()
    return grant
  },
  // We are on loopback, which it would not call.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  ttl: { Interaction: 600, Session: 3600, Grant: 3600, AccessToken: 600, IdToken: 600 },
})

provider.use(async (ctx, next) => {
  const uid = /^\/at\/([\w-]+)$/.exec(ctx.path)
  if (!uid) return next()
  const asked = await provider.interactionDetails(ctx.req, ctx.res)
  if (ctx.method === 'GET') {
    ctx.type = 'html'
    ctx.body = `<form method="post" action="${ctx.path}"><p>${asked.prompt.name} ${asked.prompt.reasons.join(' ')}</p><input name="login"><input name="strong"><button>Go</button></form>`
    return
  }
  let body = ''
  for await (const part of ctx.req) body += part
  const form = new URLSearchParams(body)
  const strong = form.get('strong') === 'yes'
  const result = form.get('login') === ''
    ? { error: 'access_denied', error_description: 'gave up' }
    : { login: { accountId: form.get('login'), acr: strong ? 'urn:mfa' : 'urn:pwd', amr: strong ? ['pwd', 'otp'] : ['pwd'], remember: true } }
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false })
  ctx.respond = false
})

provider.on('backchannel.error', (_, err, client) => console.error('backchannel', client.clientId, err))
provider.on('server_error', (_, err) => console.error(err))
provider.listen(port, '127.0.0.1')
