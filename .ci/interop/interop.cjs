// Reads the codes in DIR/ours with verifiers that we did not write, and fails
// where one does not verify, says something else, or takes a code that was
// changed. Makes codes in DIR/foreign with issuers that we did not write, for
// healthcode/foreign_test.go to read.
//
//	node interop.cjs DIR
'use strict';
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const dccSDK = require('@pathcheck/dcc-sdk');
const shcSDK = require('@pathcheck/shc-sdk');
const { DCC } = require('dcc-utils');
const base45 = require('base45');
const zlib = require('node:zlib');

const dir = process.argv[2];
const file = (...parts) => path.join(dir, ...parts);
const text = (...parts) => fs.readFileSync(file(...parts), 'utf8').trim();
const about = name => {
  const p = JSON.parse(fs.readFileSync(path.join('node_modules', name, 'package.json'), 'utf8'));
  return { program: p.name, version: p.version, licence: p.license };
};
const plain = value => JSON.parse(JSON.stringify(value, (_, v) => (v instanceof Map ? Object.fromEntries(v) : v)));

const derOf = pem => Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
const kidOf = pem => crypto.createHash('sha256').update(derOf(pem)).digest().subarray(0, 8);

// changed flips one bit of the last byte of the message, which is the signature's.
function changed(code) {
  const message = zlib.inflateSync(Buffer.from(base45.decode(code.slice(4))));
  message[message.length - 1] ^= 1;
  return 'HC1:' + base45.encode(zlib.deflateSync(message));
}

// quietly keeps what a library prints of its own accord off the log.
async function quietly(f) {
  const { log, warn, error } = console;
  console.log = console.warn = console.error = () => {};
  try {
    return await f();
  } finally {
    Object.assign(console, { log, warn, error });
  }
}

// The verifiers: each gives the payload that it verified, or throws.
const verifiers = {
  'dcc-utils': {
    algorithms: ['ES256', 'PS256'],
    async verify(code, pem) {
      const dcc = await DCC.fromRaw(code);
      assert(await dcc.checkSignatureWithCertificate(pem), 'the signature was refused');
      return dcc.payload;
    },
  },
  '@pathcheck/dcc-sdk': {
    algorithms: ['ES256'],
    async verify(code, pem) {
      // Given in its cache, so that it does not fetch a registry for a key that it does not know.
      dccSDK.addCachedCerts({ [kidOf(pem).toString('base64')]: derOf(pem).toString('base64').match(/.{1,64}/g).join('\n') });
      const answer = await dccSDK.unpackAndVerify(code);
      assert.strictEqual(answer.status, 'verified');
      return answer.contents.get(-260).get(1);
    },
  },
};

async function readOurs() {
  let read = 0;
  for (const algorithm of fs.readdirSync(file('ours')).sort()) {
    const pem = text('ours', algorithm, 'issuer.pem') + '\n';
    for (const kind of ['vaccination', 'test', 'recovery']) {
      const code = text('ours', algorithm, kind + '.txt');
      const want = JSON.parse(text(kind + '.json'));
      for (const [name, verifier] of Object.entries(verifiers)) {
        if (!verifier.algorithms.includes(algorithm)) continue;
        const got = await quietly(() => verifier.verify(code, pem));
        assert.deepStrictEqual(plain(got), want, `${name} reads another ${kind} than was issued`);
        await assert.rejects(quietly(() => verifier.verify(changed(code), pem)), undefined, `${name} takes a changed ${kind}`);
        console.log(`${name}: ${algorithm} ${kind} verified, and refused when changed`);
        read++;
      }
    }
  }
  assert(read >= 9, `only ${read} codes were read`);
}

// makeHC1 issues with the key that we made, in a program that we did not.
async function makeHC1() {
  const certificate = text('ours', 'ES256', 'issuer.pem') + '\n';
  const key = text('ours', 'ES256', 'issuer.key') + '\n';
  const codes = [];
  for (const kind of ['vaccination', 'test', 'recovery']) {
    const cwt = await dccSDK.makeCWT(JSON.parse(text(kind + '.json')), 24, 'XA');
    codes.push({
      kind,
      text: await quietly(() => dccSDK.signAndPack(cwt, certificate, key)),
      certificate: derOf(certificate).toString('base64'),
    });
  }
  return { ...about('@pathcheck/dcc-sdk'), codes };
}

async function makeSHC() {
  const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = privateKey.export({ format: 'jwk' });
  const public_ = { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y };
  const kid = crypto.createHash('sha256').update(JSON.stringify(public_)).digest('base64url'); // RFC 7638
  const payload = {
    type: ['https://smarthealth.cards#health-card', 'https://smarthealth.cards#immunization', 'https://smarthealth.cards#covid19'],
    credentialSubject: {
      fhirVersion: '4.0.1',
      fhirBundle: {
        resourceType: 'Bundle',
        type: 'collection',
        entry: [
          { fullUrl: 'resource:0', resource: { resourceType: 'Patient', name: [{ family: 'Test', given: ['Person'] }], birthDate: '1964-08-12' } },
          {
            fullUrl: 'resource:1',
            resource: {
              resourceType: 'Immunization', status: 'completed', vaccineCode: { coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '207' }] },
              patient: { reference: 'resource:0' }, occurrenceDateTime: '2021-01-01',
            },
          },
        ],
      },
    },
  };
  const jwt = await shcSDK.makeJWT(payload, 'https://issuer.example', new Date(Math.floor(Date.now() / 1000) * 1000));
  const code = await shcSDK.signAndPack(jwt, { ...jwk, kid, use: 'sig', alg: 'ES256' });
  return { ...about('@pathcheck/shc-sdk'), codes: [{ kind: 'vaccination', text: code, jwk: { ...public_, kid } }] };
}

async function main() {
  await readOurs();
  fs.mkdirSync(file('foreign'), { recursive: true });
  for (const made of [await makeHC1(), await makeSHC()]) {
    const name = `${made.program.replace(/[@/]/g, ' ').trim().replace(/ /g, '-')}-${made.version}.json`;
    fs.writeFileSync(file('foreign', name), JSON.stringify(made, null, 2) + '\n');
    console.log(`${made.program} ${made.version}: ${made.codes.length} codes made`);
  }
}

main().catch(e => {
  console.error(`interop: ${e.message}`);
  process.exit(1);
});
