// Signed sources: tags made by node's crypto, over the bytes as they are sent.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Ledger, assertBooks } from './lib/books.mjs';
import { Headgate, SERVER_KEY, headgate, pageView, uniqueId, waitFor } from './lib/headgate.mjs';

const OLD = 'the-old-secret-0123456789', NEW = 'the-new-secret-9876543210';
const signed = (secrets, more = {}) => ({ sources: { backend: { signing_secrets: secrets, ...more } } });
const now = () => Math.floor(Date.now() / 1000);
const tag = (bytes, secret, t) => createHmac('sha256', secret).update(`${t}.`).update(bytes).digest('hex');
const login = (over = {}) => ({ event: 'login', event_id: uniqueId(), user_id: 'u-1', properties: {}, ...over });

// Sends with a signature; what is given replaces what would be right.
function send(hg, body, { secret = NEW, t = now(), header, headers = {}, signedBytes, ...rest } = {}) {
	const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
	const value = header !== undefined ? header : `t=${t},v1=${tag(signedBytes ?? bytes, secret, t)}`;
	return hg.post(bytes, { key: SERVER_KEY, headers: { ...(value !== null && { 'x-headgate-signature': value }), ...headers }, ...rest });
}

let hg, ledger;
before(async () => {
	hg = await Headgate.start({ config: signed([NEW, OLD]) });
	ledger = Ledger.watch(hg);
});
after(async () => { await hg.close(); });

test('what is signed is taken, from either secret, as JSON, NDJSON and gzip', async () => {
	assert.equal((await send(hg, login())).status, 200);
	assert.equal((await send(hg, [login(), login()], { secret: OLD })).status, 200);
	const lines = Buffer.from(`${JSON.stringify(login())}\n${JSON.stringify(login())}\n`);
	assert.equal((await send(hg, lines, { type: 'application/x-ndjson' })).json.accepted, 2);
	const packed = gzipSync(JSON.stringify(login()));
	assert.equal((await send(hg, packed, { headers: { 'content-encoding': 'gzip' } })).status, 200, 'the bytes as they came are signed');
	const t = now(), bytes = Buffer.from(JSON.stringify(login()));
	const rotating = `t=${t}, v1=${tag(bytes, 'a-secret-that-comes-next', t)}, v1=${tag(bytes, OLD, t)}, v2=later`;
	assert.equal((await send(hg, bytes, { header: rotating })).status, 200, 'one of several tags fits');
	assert.equal((await send(hg, login(), { t: now() - 290 })).status, 200);
	assert.equal((await send(hg, login(), { t: now() + 290 })).status, 200);
	// a body in pieces
	const chunked = await hg.request('POST', '/v1/events', { body: bytes, headers: { 'transfer-encoding': 'chunked', 'x-write-key': SERVER_KEY, 'content-type': 'application/json', 'x-headgate-signature': `t=${t},v1=${tag(bytes, NEW, t)}` } });
	assert.equal(chunked.json?.duplicates, 1, chunked.text);
	ledger.add(chunked);
});

test('what is not signed well is refused with 401 and leaves nothing behind', async () => {
	await hg.drained();
	const before = await hg.metrics();
	const event = login({ user_id: 'never-stored' }), bytes = Buffer.from(JSON.stringify(event)), t = now();
	const rows = [
		['signature_missing', { header: null }],
		['signature_missing', { header: ' ' }],
		['signature_malformed', { header: `v1=${tag(bytes, NEW, t)}` }],
		['signature_malformed', { header: `t=${t}` }],
		['signature_malformed', { header: `t=${t},v1=${tag(bytes, NEW, t).slice(1)}` }],
		['signature_malformed', { header: 'x'.repeat(4000) }],
		['signature_time', { t: t - 302 }],
		['signature_time', { t: t + 310 }],
		['signature_time', { t: 0 }],
		['signature_wrong', { secret: 'some-other-secret-4711' }],
		['signature_wrong', { signedBytes: Buffer.from(`${bytes} `) }],
		['signature_wrong', { header: `t=${t},v1=${tag(bytes, NEW, t - 1)}` }],
		['signature_wrong', { header: `t=${t},v1=${createHmac('sha256', NEW).update(bytes).digest('hex')}` }],
	];
	for (const [code, how] of rows) {
		const answer = await send(hg, bytes, how);
		assert.equal(answer.status, 401, `${code}: ${answer.text}`);
		assert.equal(answer.json.error.code, code, JSON.stringify(how));
		assert.ok(answer.headers['www-authenticate']);
		assert.ok(answer.headers['x-request-id']);
	}
	const packed = gzipSync(bytes);
	const inflated = await send(hg, packed, { signedBytes: bytes, headers: { 'content-encoding': 'gzip' } });
	assert.equal(inflated.json.error.code, 'signature_wrong', 'signed before packing');
	const broken = await send(hg, Buffer.from('{"not json'), { secret: 'some-other-secret-4711' });
	assert.equal(broken.json.error.code, 'signature_wrong', 'the body is not read before it is proven');
	const after = await hg.metrics();
	assert.equal(after.get('headgate_events_total'), before.get('headgate_events_total'));
	assert.equal(after.get('headgate_records_total', { state: 'accepted' }), before.get('headgate_records_total', { state: 'accepted' }));
	assert.equal(after.get('headgate_dead_letters_total', { state: 'accepted' }), before.get('headgate_dead_letters_total', { state: 'accepted' }));
	assert.equal(after.get('headgate_refused_total', { reason: 'signature_wrong' }) - before.get('headgate_refused_total', { reason: 'signature_wrong' }), 6);
});

test('a query cannot be signed; a dry run must be', async () => {
	for (const method of ['GET', 'HEAD']) {
		const path = `/v1/pixel.gif?key=${SERVER_KEY}&event=login&event_id=${uniqueId()}`;
		const pixel = await hg.request(method, path, { headers: { 'x-headgate-signature': `t=${now()},v1=${tag('', NEW, now())}` } });
		assert.equal(pixel.status, 401, method);
	}
	const dry = await hg.post(login(), { key: SERVER_KEY, path: '/v1/validate' });
	assert.equal(dry.json.error.code, 'signature_missing');
	assert.equal((await send(hg, login(), { path: '/v1/validate' })).json.accepted, 1);
	// other sources go on as before
	assert.equal((await hg.post(pageView())).status, 200);
	const preflight = await hg.request('OPTIONS', '/v1/events', { headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' } });
	assert.doesNotMatch(preflight.headers['access-control-allow-headers'], /signature/i, 'a page has no secret');
});

test('a replay within the time is a duplicate; an event without event_id is rejected', async () => {
	const bytes = Buffer.from(JSON.stringify([login(), login()])), t = now();
	const header = `t=${t},v1=${tag(bytes, NEW, t)}`;
	assert.equal((await send(hg, bytes, { header })).json.accepted, 2);
	const replay = await send(hg, bytes, { header });
	assert.deepEqual([replay.status, replay.json.duplicates, replay.json.accepted], [200, 2, 0]);
	const again = await send(hg, bytes, { t: t + 1 });
	assert.equal(again.json.duplicates, 2, 'a retry signed anew is the same events');
	const mixed = await send(hg, [login(), login({ event_id: undefined }), login({ event_id: '' })], { headers: { 'idempotency-key': 'k-1' } });
	assert.equal(mixed.status, 207);
	assert.equal(mixed.json.rejected, 2);
	const errors = mixed.json.events.filter((e) => e.status === 'rejected').map((e) => [e.index, e.errors[0].path, e.errors[0].rule]);
	assert.deepEqual(errors, [[1, '/event_id', 'required'], [2, '/event_id', 'required']]);
	await hg.drained();
	const letters = await hg.events('headgate.rejected');
	assert.deepEqual(letters.map((l) => l.reason), ['event_id_missing', 'event_id_missing']);
	await assertBooks(hg, { ledger });
});

test('secrets come from a file and change with a reload', async (t) => {
	const file = join(hg.home, 'secrets');
	writeFileSync(file, `${OLD}\n`);
	const own = await headgate(t, { env: { HEADGATE_SOURCES__BACKEND__SIGNING_SECRETS_FILE: file } });
	assert.equal((await send(own, login(), { secret: OLD })).status, 200);
	assert.equal((await send(own, login(), { secret: NEW })).status, 401);
	assert.equal((await own.status()).sources.find((s) => s.name === 'backend').signed, true);
	writeFileSync(file, JSON.stringify([NEW]));
	own.sighup();
	await waitFor(async () => (await send(own, login(), { secret: NEW })).status === 200, { what: 'the new secret' });
	assert.equal((await send(own, login(), { secret: OLD })).status, 401);
	for (const secret of [OLD, NEW]) assert.ok(!own.stderr.includes(secret), 'no secret in the log');
});

test('a configuration that cannot hold is refused', async (t) => {
	const rows = [
		[{ sources: { dev: { signing_secrets: [NEW] } } }, /sources\.dev\.signing_secrets: a browser cannot keep a secret/],
		[signed(['short']), /sources\.backend\.signing_secrets: expected secrets of 16 to 256 bytes/],
		[signed(Array.from({ length: 9 }, (_, i) => `${NEW}-${i}`)), /at most 8 secrets/],
		[signed([NEW], { signature_tolerance_ms: '1h', dedup_window_ms: '119m' }), /dedup_window_ms: expected at least twice signature_tolerance_ms/],
	];
	for (const [config, message] of rows) {
		const bad = await headgate(t, { config, expectExit: true });
		assert.equal((await bad.exit).code, 78, bad.stderr);
		assert.match(bad.stderr, message);
	}
});
