// Limits of events a second, by source and by client. Rates are so low that the machine's pace does not matter: what a
// burst lets in is counted, what refills is computed from the time that passed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertBooks } from './lib/books.mjs';
import { SERVER_KEY, headgate, pageView, uniqueId, waitFor } from './lib/headgate.mjs';

const OTHER = 'other-0123456789abcdef';
const limited = (dev, more = {}) => ({
	lanes: 2,
	http: { trusted_proxies: ['127.0.0.1'] },
	sources: { dev, other: { kind: 'browser', keys: [OTHER], consent_defaults: { analytics: 'granted' } } },
	...more,
});
const from = (address, more = {}) => ({ headers: { 'x-forwarded-for': address }, ...more });
async function takeAll(send, most = 50) {
	let count = 0;
	for (; count < most; count++) {
		const answer = await send();
		if (answer.status !== 200) return { count, answer };
	}
	return { count };
}

test('a source that is over its limit waits, the others do not notice', async (t) => {
	const hg = await headgate(t, { config: limited({ rate_limit: { per_second: 1, burst: 8 } }) });
	const began = Date.now();
	const { count, answer } = await takeAll(() => hg.post(pageView()));
	const passed = (Date.now() - began) / 1000;
	assert.ok(count >= 8 && count <= 8 + Math.ceil(passed), `${count} in ${passed} s`);
	assert.equal(answer.status, 429);
	assert.equal(answer.json.error.code, 'rate_limited');
	assert.equal(answer.headers['retry-after'], '1');
	assert.ok(answer.headers['x-request-id']);
	for (let i = 0; i < 20; i++) assert.equal((await hg.post(pageView(), { key: OTHER })).status, 200);
	// it has what was told, soon
	await waitFor(async () => (await hg.post(pageView())).status === 200, { what: 'a token' });
	const m = await hg.metrics(), status = await hg.status();
	const source = status.sources.find((s) => s.name === 'dev');
	assert.deepEqual([source.rate_limit.per_second, source.rate_limit.burst], [1, 8]);
	assert.ok(source.rate_limit.refused >= 1);
	assert.equal(m.get('headgate_rate_limited_total', { source: 'dev', limit: 'source' }), source.rate_limit.refused);
	assert.equal(m.get('headgate_rate_limited_total', { source: 'other' }), 0);
	assert.equal(m.get('headgate_requests_total', { code: 429 }), source.rate_limit.refused);
	await assertBooks(hg);
});

test('a batch pays for its events; a refused one leaves nothing', async (t) => {
	const hg = await headgate(t, { config: limited({ rate_limit: { per_second: 1, burst: 10 } }) });
	assert.equal((await hg.post(Array.from({ length: 40 }, () => pageView()))).json.accepted, 40);
	const refused = await hg.post([pageView(), pageView()]);
	assert.equal(refused.status, 429);
	const seconds = Number(refused.headers['retry-after']);
	assert.ok(seconds >= 15 && seconds <= 31, `40 of 10 taken: 30 owed and one to come, not ${seconds}`);
	const pixel = await hg.get('/v1/pixel.gif?key=dev&event=page_view');
	assert.deepEqual([pixel.status, pixel.headers['content-type']], [429, 'image/gif']);
	assert.ok(Number(pixel.headers['retry-after']) >= 14);
	assert.equal((await hg.metrics()).get('headgate_events_total'), 40);
	// live: without the limit it goes on
	hg.setConfig(limited({ rate_limit: { per_second: 0 } }));
	hg.sighup();
	await waitFor(async () => (await hg.post(pageView())).status === 200, { what: 'the reload' });
});

test('each client has its own bucket: an IPv4 address, an IPv6 /64, behind the trusted proxy', async (t) => {
	const hg = await headgate(t, { config: limited({ client_rate_limit: { per_second: 1, burst: 4 } }) });
	const hot = await takeAll(() => hg.post(pageView(), from('203.0.113.9')));
	assert.equal(hot.answer.status, 429);
	assert.equal(hot.answer.json.error.code, 'client_rate_limited');
	for (let i = 0; i < 30; i++) assert.equal((await hg.post(pageView(), from(`203.0.113.${10 + i}`))).status, 200);
	assert.equal((await hg.post(pageView(), from('203.0.113.9, 203.0.113.60'))).status, 200, 'what the client itself wrote does not count');
	// sixteen addresses of one /64 share a bucket, the next /64 has another
	let n = 0;
	const block = await takeAll(() => hg.post(pageView(), from(`2001:db8:0:1::${(n++ % 16).toString(16)}`)));
	assert.equal(block.answer.status, 429);
	assert.equal((await hg.post(pageView(), from('2001:db8:0:2::1'))).status, 200);
	// the same address at another source is another client
	assert.equal((await hg.post(pageView(), from('203.0.113.9', { key: OTHER }))).status, 200);
	assert.ok((await hg.metrics()).get('headgate_rate_limited_total', { source: 'dev', limit: 'client' }) >= 2);
	await assertBooks(hg);
});

test('requests that do not prove to be a source\'s own do not use up its limit', async (t) => {
	const config = limited({}, {});
	config.sources.backend = { signing_secrets: ['0123456789abcdef-secret'], rate_limit: { per_second: 1, burst: 2 } };
	const hg = await headgate(t, { config });
	for (let i = 0; i < 10; i++) {
		const forged = await hg.post(pageView(), { key: SERVER_KEY, headers: { 'x-headgate-signature': `t=${Math.floor(Date.now() / 1000)},v1=${'0'.repeat(64)}` } });
		assert.equal(forged.json.error.code, 'signature_wrong');
	}
	const { createHmac } = await import('node:crypto');
	const body = JSON.stringify({ event: 'login', event_id: uniqueId(), properties: {} }), time = Math.floor(Date.now() / 1000);
	const header = `t=${time},v1=${createHmac('sha256', '0123456789abcdef-secret').update(`${time}.${body}`).digest('hex')}`;
	const { count, answer } = await takeAll(() => hg.post(body, { key: SERVER_KEY, headers: { 'x-headgate-signature': header } }));
	assert.ok(count >= 2, `${count}`);
	assert.equal(answer.json.error.code, 'rate_limited');
});
