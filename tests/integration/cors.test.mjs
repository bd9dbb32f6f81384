// Origins: preflight, the headers of every answer to an allowed origin, and refusal of the others.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Headgate, SERVER_KEY, pageView } from './lib/headgate.mjs';

let hg;
before(async () => { hg = await Headgate.start({ config: { sources: { dev: { origins: ['http://localhost:*', 'https://shop.example'] } } } }); });
after(() => hg?.close());

const ORIGIN = 'http://localhost:3000';
const words = (text) => (text ?? '').toLowerCase().split(/\s*,\s*/);
function allowed(answer, origin = ORIGIN) {
	assert.equal(answer.headers['access-control-allow-origin'], origin, `${answer.status} ${answer.text}`);
	assert.equal(answer.headers['access-control-allow-credentials'], 'true');
	assert.ok(words(answer.headers.vary).includes('origin'));
}
function exposed(answer) {
	for (const name of ['retry-after', 'x-request-id']) assert.ok(words(answer.headers['access-control-expose-headers']).includes(name));
}
const preflight = (path, origin, headers = 'content-type,x-write-key') => hg.request('OPTIONS', path, { headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': headers } });

test('preflight: 204 without a key', async () => {
	for (const path of ['/v1/events', '/v1/validate', '/v1/pixel.gif', '/v1/events?key=dev']) {
		const answer = await preflight(path, ORIGIN);
		assert.equal(answer.status, 204, answer.text);
		allowed(answer);
		assert.equal(answer.headers['access-control-max-age'], '7200');
		assert.equal(answer.body.length, 0);
	}
	const answer = await preflight('/v1/events', 'https://shop.example');
	allowed(answer, 'https://shop.example');
	assert.ok(words(answer.headers['access-control-allow-methods']).includes('post'));
	for (const name of ['content-type', 'x-write-key', 'authorization', 'idempotency-key', 'x-request-id', 'content-encoding']) assert.ok(words(answer.headers['access-control-allow-headers']).includes(name), name);
});

test('preflight of an origin that no source allows: 403, and no permission', async () => {
	for (const origin of ['https://elsewhere.example', 'null', 'http://shop.example', 'https://shop.example:8443', 'https://shop.example.evil.example', 'http://localhost.evil.example:80']) {
		const answer = await preflight('/v1/events', origin);
		assert.equal(answer.status, 403, origin);
		assert.equal(answer.headers['access-control-allow-origin'], undefined);
	}
});

test('every answer to an allowed origin says so, errors too', async () => {
	const headers = { origin: ORIGIN };
	const answers = [
		[200, await hg.post(pageView(), { headers })], [207, await hg.post([pageView(), {}], { headers })], [400, await hg.post('{', { headers })],
		[401, await hg.post(pageView(), { headers, key: null })], [405, await hg.request('PUT', '/v1/events', { headers })],
		[413, await hg.post(' '.repeat(1100 * 1024), { headers })], [415, await hg.post(pageView(), { headers, type: 'application/xml' })],
	];
	for (const [status, answer] of answers) {
		assert.equal(answer.status, status, answer.text);
		allowed(answer);
		exposed(answer);
	}
});

test('an origin that the source does not list: 403, nothing stored', async () => {
	const before = (await hg.metrics()).get('headgate_events_total');
	for (const origin of ['https://elsewhere.example', 'null']) {
		const answer = await hg.post(pageView(), { headers: { origin } });
		assert.equal(answer.status, 403);
		assert.equal(answer.headers['access-control-allow-origin'], undefined);
	}
	assert.equal((await hg.metrics()).get('headgate_events_total'), before);
});

test('without an Origin the Referer decides, without both it is accepted', async () => {
	assert.equal((await hg.post(pageView(), { headers: { referer: 'https://elsewhere.example/page' } })).status, 403);
	assert.equal((await hg.post(pageView(), { headers: { referer: 'https://shop.example/page?x=1' } })).status, 200);
	assert.equal((await hg.post(pageView())).status, 200);
});

test('a server source takes no browser', async () => {
	assert.equal((await hg.post(pageView(), { key: SERVER_KEY, headers: { origin: ORIGIN } })).status, 403);
	assert.equal((await hg.post(pageView(), { key: SERVER_KEY })).status, 200);
});
