// POST /v1/events: what is answered, what lies in the files, and that the books balance.
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { after, before, test } from 'node:test';
import { Headgate, SERVER_KEY, pageView, purchase, uniqueId } from './lib/headgate.mjs';

let hg;
before(async () => { hg = await Headgate.start(); });
after(() => hg?.close());

// All that this file sends is counted here and compared with the metrics at the end.
const sent = { accepted: 0, duplicates: 0, rejected: 0, dropped: 0, retry: 0 };
async function post(body, options) {
	const answer = await hg.post(body, options);
	for (const k of Object.keys(sent)) sent[k] += answer.json?.[k] ?? 0;
	// An unreadable body, broken gzip too, is one received, one rejected.
	if (answer.json?.error?.code === 'malformed_body') sent.rejected += 1;
	return answer;
}
function counts(answer, status, expected) {
	assert.equal(answer.status, status, answer.text);
	const { received, accepted, duplicates, rejected, dropped, retry } = answer.json;
	assert.deepEqual({ received, accepted, duplicates, rejected, dropped, retry }, { received: 0, accepted: 0, duplicates: 0, rejected: 0, dropped: 0, retry: 0, ...expected }, answer.text);
}
function refused(answer, status) {
	assert.equal(answer.status, status, answer.text);
	assert.equal(typeof answer.json?.error?.code, 'string', answer.text);
	assert.equal(typeof answer.json.error.message, 'string');
	assert.ok(answer.headers['x-request-id'], 'X-Request-Id on an answer that is not a plain 200');
	assert.match(answer.headers['content-type'], /^application\/json/);
}
const stored = async (id, topic) => {
	await hg.drained();
	return hg.files(topic).filter((f) => f.event.event_id === id);
};

test('a single event is accepted and lies in the files as a canonical event', async () => {
	const event = purchase({ user_id: 'u-1', event_time: new Date().toISOString() });
	const answer = await post(event);
	counts(answer, 200, { received: 1, accepted: 1 });
	assert.deepEqual(answer.json.events ?? [], []);
	assert.equal(answer.headers['x-request-id'], undefined, 'a plain 200 has none');
	const [{ event: line, file }] = await stored(event.event_id);
	assert.equal(line.format, 1);
	assert.match(line.position, /^[^/]+\/\d+\/\d+\/\d+$/);
	assert.equal(line.event, 'purchase');
	assert.equal(line.version, '1-0-0');
	assert.equal(line.event_time, event.event_time);
	assert.match(line.received_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
	assert.equal(file, `${line.received_at.slice(0, 10)}/${line.received_at.slice(11, 13)}.ndjson`);
	assert.deepEqual([line.source.name, line.source.kind, line.source.protocol], ['dev', 'browser', 'native']);
	assert.deepEqual([line.ids.anonymous_id, line.ids.user_id], ['a-1', 'u-1']);
	assert.deepEqual(line.properties, event.properties);
	assert.equal(line.test, undefined, 'a false flag is absent');
});

test('numbers keep their text, strings their bytes, members their order; white space between tokens goes', async () => {
	const id = uniqueId();
	const properties = '"value":129.850,"note":"tab\\t \\u00e9 é \\/ 두","big":9007199254740993,"exp":1E+2';
	const spaced = properties.replace(/:(?=[[\d"])/g, ' :\t').replace(/,/g, ' ,\n ');
	counts(await post(`{"event":"page_view","event_id":"${id}","properties":{ ${spaced} } }`), 200, { received: 1, accepted: 1 });
	const [{ line }] = await stored(id);
	assert.ok(line.includes(`"properties":{${properties}}`), line);
});

test('an event without an id is given a UUIDv7, and told so', async () => {
	const answer = await post(pageView({ event_id: undefined }));
	counts(answer, 200, { received: 1, accepted: 1 });
	assert.equal(answer.json.events.length, 1);
	const [{ index, status, event_id }] = answer.json.events;
	assert.deepEqual([index, status], [0, 'accepted']);
	assert.match(event_id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
	assert.equal((await stored(event_id)).length, 1);
});

test('answers tell the id that the client sent, whatever is stored', async () => {
	const told = async (event, status, consent = undefined) => {
		const event_id = `order-${uniqueId().slice(-4)}`;
		const text = typeof event === 'string' ? event.replace('ID', event_id) : JSON.stringify({ ...event, event_id, consent });
		const [own, ...rest] = (await post(text)).json.events;
		assert.deepEqual([own.event_id, own.client_event_id, own.status, rest.length], [event_id, undefined, status, 0], text);
		return event_id;
	};
	const letters = [
		await told({ event: 'nope' }, 'rejected'),
		await told({ event: 'page_view', version: '9-0-0' }, 'rejected'),
		await told({ event: 'Page View' }, 'rejected'),
		await told({}, 'rejected'),
		await told({ event: 'page_view', typo: 1 }, 'rejected'),
	];
	for (const id of letters) assert.equal((await stored(id, 'headgate.rejected')).length, 1, 'its dead letter is found by that id');
	const hidden = [
		await told('{"event":"page_view","event_id":"ID","properties":{"a":1,"a":2}}', 'rejected'),
		await told({ event: 'nope' }, 'rejected', { analytics: 'denied', ads: 'denied' }),
	];
	const denied = { analytics: 'denied', ads: 'denied' }, refusal = { event: 'page_view', consent: denied };
	hidden.push(await told(refusal, 'accepted', denied));
	counts(await post({ ...refusal, event_id: hidden[2] }), 200, { received: 1, duplicates: 1 });
	const again = await post({ ...refusal, event_id: hidden[2] });
	assert.deepEqual([again.json.events[0].event_id, again.json.events[0].client_event_id], [hidden[2], undefined]);
	const other = (await post({ ...refusal, event_id: hidden[2], properties: { more: 1 } })).json.events[0];
	assert.deepEqual([other.client_event_id, other.status], [hidden[2], 'accepted'], 'other bytes under the same id');
	assert.notEqual(other.event_id, hidden[2]);
	await hg.drained();
	const lines = [...hg.files(), ...hg.files('headgate.rejected')].map((f) => f.line);
	for (const id of hidden) assert.ok(!lines.some((line) => line.includes(id)), 'of one who refused the id may tell who it is');
	assert.ok(lines.some((line) => line.includes(`"event_id":"${other.event_id}"`)));
});

test('a trial is answered as the event would be, and nothing is set', async () => {
	const event = pageView();
	delete event.anonymous_id;
	const trial = await hg.post(event, { path: '/v1/validate' });
	assert.equal(trial.headers['set-cookie'], undefined);
	const answer = await post(event);
	const { ids: tried, ...a } = trial.json, { ids, ...b } = answer.json;
	assert.deepEqual(a, b);
	assert.deepEqual(Object.keys(tried), Object.keys(ids));
	const trialOfOwn = await hg.post(pageView({ anonymous_id: 'mine' }), { path: '/v1/validate' });
	assert.equal(trialOfOwn.json.ids.anonymous_id, 'mine');
});

test('an Idempotency-Key makes the retry recognisable', async () => {
	const headers = { 'idempotency-key': `retry-${uniqueId()}` };
	const batch = [pageView({ event_id: undefined }), pageView({ event_id: undefined, context: { page: { url: 'https://shop.example/2' } } })];
	const first = await post(batch, { headers });
	counts(first, 200, { received: 2, accepted: 2 });
	const again = await post(batch, { headers });
	counts(again, 200, { received: 2, duplicates: 2 });
	assert.deepEqual(again.json.events.map((e) => e.event_id), first.json.events.map((e) => e.event_id));
	assert.notEqual(first.json.events[0].event_id, first.json.events[1].event_id);
	counts(await post(batch, { headers: { 'idempotency-key': `retry-${uniqueId()}` } }), 200, { received: 2, accepted: 2 });
});

test('an array keeps its order', async () => {
	const batch = Array.from({ length: 100 }, (_, i) => pageView({ properties: { n: i } }));
	counts(await post(batch), 200, { received: 100, accepted: 100 });
	await hg.drained();
	const ids = new Set(batch.map((e) => e.event_id));
	assert.deepEqual(hg.files().filter((f) => ids.has(f.event.event_id)).map((f) => f.event.event_id), batch.map((e) => e.event_id));
});

test('an envelope gives defaults, one level deep for context, consent and user; the event wins', async () => {
	const plain = { event: 'page_view', event_id: uniqueId() };
	const own = { event: 'page_view', event_id: uniqueId(), anonymous_id: 'own', context: { locale: 'de-DE', page: { url: 'https://shop.example/own' } } };
	counts(await post({ anonymous_id: 'shared', context: { locale: 'ko-KR', timezone: 'Asia/Seoul', page: { title: 'all' } }, consent: { analytics: 'granted' }, events: [plain, own] }), 200, { received: 2, accepted: 2 });
	const [{ event: a }] = await stored(plain.event_id);
	const [{ event: b }] = await stored(own.event_id);
	assert.equal(a.ids.anonymous_id, 'shared');
	assert.equal(a.context.locale, 'ko-KR');
	assert.equal(a.context.page.title, 'all');
	assert.equal(b.ids.anonymous_id, 'own');
	assert.equal(b.context.locale, 'de-DE');
	assert.equal(b.context.timezone, 'Asia/Seoul');
	assert.deepEqual(b.context.page, { url: 'https://shop.example/own', referrer_class: 'direct' }, 'merged one level deep, not two');
	assert.equal(b.consent.analytics, 'granted');
});

test('NDJSON: only by its content type, a bad line alone is refused, blank lines do not count', async () => {
	const good = [pageView(), pageView()].map((e) => JSON.stringify(e));
	const answer = await post(`${good[0]}\n\n{"event":\n\r\n${good[1]}\n`, { type: 'application/x-ndjson' });
	counts(answer, 207, { received: 3, accepted: 2, rejected: 1 });
	assert.deepEqual(answer.json.events.map((e) => [e.index, e.status]), [[1, 'rejected']]);
	refused(await post(`${good[0]}\n${good[1]}\n`), 400);
});

test('content types: text/plain, none and parameters are taken, others are 415', async () => {
	for (const type of ['text/plain', 'text/plain;charset=UTF-8', 'application/json; charset=utf-8', 'Application/JSON', null]) counts(await post(pageView(), { type }), 200, { received: 1, accepted: 1 });
	for (const type of ['application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx']) refused(await post(pageView(), { type }), 415);
	refused(await post(pageView(), { headers: { 'content-encoding': 'br' } }), 415);
});

test('gzip: inflated within limits; broken 400, a second member 400, a bomb 413', async () => {
	const gzip = { headers: { 'content-encoding': 'gzip' } };
	const one = gzipSync(JSON.stringify(pageView()));
	counts(await post(one, gzip), 200, { received: 1, accepted: 1 });
	refused(await post(one.subarray(0, one.length - 6), gzip), 400);
	refused(await post(Buffer.concat([one, one]), gzip), 400);
	refused(await post('{"event":"page_view"}', gzip), 400);
	refused(await post(gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20)), gzip), 413);
});

test('some rejected: 207, with the path, the rule and a message; the rest is accepted', async () => {
	const good = pageView();
	const bad = purchase({ properties: { value: -3 } });
	const answer = await post([good, bad]);
	counts(answer, 207, { received: 2, accepted: 1, rejected: 1 });
	const [entry] = answer.json.events;
	assert.deepEqual([entry.index, entry.event_id, entry.status, entry.more_errors], [1, bad.event_id, 'rejected', 0]);
	assert.deepEqual(entry.errors, [{ path: '/properties/value', rule: 'minimum', message: 'must be >= 0, got -3', schema: 'purchase/1-0-0' }]);
	assert.ok(answer.headers['x-request-id']);
	assert.equal((await stored(good.event_id)).length, 1);
	assert.equal((await stored(bad.event_id)).length, 0);
	const [{ event: letter }] = await stored(bad.event_id, 'headgate.rejected');
	assert.equal(letter.format, 1);
	assert.equal(letter.source, 'dev');
	assert.deepEqual(letter.errors, entry.errors);
	assert.equal(letter.event, 'purchase');
	assert.equal(letter.payload.properties.value, -3, "the source's default grants a purpose of the event");
});

test('every event rejected: 400 with events; each kind of fault has its path', async () => {
	const faults = [
		[{}, ''], [{ event: 'no_such_event' }, '/event'], [{ event: 'Page View' }, '/event'], [{ event: 7 }, '/event'],
		[pageView({ version: '9-0-0' }), '/version'], [pageView({ evnt: 1 }), '/evnt'], [pageView({ event_time: 'yesterday' }), '/event_time'],
		[pageView({ event_time: 1763776860 }), '/event_time'], [pageView({ event_id: 'x'.repeat(129) }), '/event_id'],
		[pageView({ anonymous_id: 'x'.repeat(257) }), '/anonymous_id'], [pageView({ properties: [] }), '/properties'], [pageView({ context: 'x' }), '/context'],
		[purchase({ properties: { items: [{ product_id: 'a', price: 1, quantity: 1 }, { product_id: 'b', quantity: 1 }] } }), '/properties/items/1'],
	];
	for (const [event, path] of faults) {
		const answer = await post(event);
		counts(answer, 400, { received: 1, rejected: 1 });
		const found = answer.json.events[0].errors.map((e) => e.path);
		assert.ok(found.some((p) => p === path || (path !== '' && p.startsWith(`${path}/`)) || (path === '' && p === '/event')), `${JSON.stringify(event)}: ${path} in ${JSON.stringify(found)}`);
	}
	counts(await post([{ event: 'no_such_event' }, 5]), 400, { received: 2, rejected: 2 });
});

test('an event that is too deep, too large, or holds a duplicate name or a NUL is rejected alone', async () => {
	const deep = '['.repeat(40) + ']'.repeat(40);
	const bad = [`{"event":"page_view","properties":{"a":${deep}}}`, `{"event":"page_view","properties":{"a":"${'x'.repeat(70_000)}"}}`,
		'{"event":"page_view","properties":{"a":1,"\\u0061":2}}', '{"event":"page_view","properties":{"a":"\\u0000"}}'];
	for (const text of bad) {
		const good = JSON.stringify(pageView());
		const answer = await post(`[${good},${text}]`);
		counts(answer, 207, { received: 2, accepted: 1, rejected: 1 });
		assert.equal(answer.json.events[0].index, 1);
	}
});

test('a body that cannot be read, or is no envelope, or holds no event: 400 with error', async () => {
	for (const body of ['', '{', '{"event":"page_view"', '[1,]', 'null', '"text"', '42', '[]', '{"events":[]}', '{"events":{}}', '{"event":"page_view"} x', '\ufeff{"event":"page_view"}']) {
		refused(await post(body), 400);
	}
});

test('keys: none or unknown 401; every place a key may stand', async () => {
	refused(await hg.post(pageView(), { key: null }), 401);
	refused(await hg.post(pageView(), { key: 'wrong' }), 401);
	for (const headers of [{ authorization: 'Bearer dev' }, { authorization: `Basic ${Buffer.from('dev:').toString('base64')}` }, { 'x-write-key': 'dev' }]) {
		counts(await post(pageView(), { key: null, headers }), 200, { received: 1, accepted: 1 });
	}
	counts(await post(pageView(), { key: null, path: '/v1/events?key=dev' }), 200, { received: 1, accepted: 1 });
	counts(await post(pageView(), { key: SERVER_KEY }), 200, { received: 1, accepted: 1 });
});

test('routes: unknown path 404, wrong method 405 with Allow, no length 411', async () => {
	refused(await hg.get('/nope', { headers: { 'x-write-key': 'dev' } }), 404);
	for (const method of ['GET', 'PUT', 'DELETE']) {
		const answer = await hg.request(method, '/v1/events', { headers: { 'x-write-key': 'dev' } });
		refused(answer, 405);
		assert.match(answer.headers.allow ?? '', /POST/);
	}
	assert.equal((await hg.raw('POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Write-Key: dev\r\nConnection: close\r\n\r\n')).status, 411);
});

test('limits: body, events a request: 413, and nothing is stored', async () => {
	await hg.drained();
	const before = hg.files().length;
	refused(await hg.post(`[${JSON.stringify(pageView())}${' '.repeat(1024 * 1024)}]`), 413);
	refused(await hg.post(Array.from({ length: 1001 }, () => pageView())), 413);
	await hg.drained();
	assert.equal(hg.files().length, before);
});

test('X-Request-Id of the request comes back, on 200 as well', async () => {
	const answer = await post(pageView(), { headers: { 'x-request-id': 'req-42' } });
	assert.equal(answer.headers['x-request-id'], 'req-42');
});

test('/v1/validate answers the same and stores nothing', async () => {
	const event = pageView();
	const before = (await hg.metrics()).get('headgate_events_total');
	const dry = await hg.post([event, { event: 'nope' }], { path: '/v1/validate' });
	counts(dry, 207, { received: 2, accepted: 1, rejected: 1 });
	assert.equal((await hg.metrics()).get('headgate_events_total'), before);
	assert.equal((await stored(event.event_id)).length, 0);
	counts(await post(event), 200, { received: 1, accepted: 1 });
});

test('the books balance', async () => {
	await hg.drained();
	const m = await hg.metrics();
	const verdict = (v) => m.get('headgate_events_total', { verdict: v });
	assert.deepEqual({ accepted: verdict('accepted'), duplicates: verdict('duplicate'), rejected: verdict('rejected'), dropped: verdict('dropped'), retry: verdict('retry') }, sent);
	const records = (s) => m.get('headgate_records_total', { state: s });
	assert.equal(records('accepted'), sent.accepted);
	assert.equal(records('accepted'), records('delivered') + records('pending') + records('poisoned') + records('erased') + records('quarantined'));
	assert.equal(hg.files().length, sent.accepted);
	const letters = (s) => m.get('headgate_dead_letters_total', { state: s });
	assert.equal(letters('accepted'), letters('delivered') + letters('pending') + letters('poisoned') + letters('erased') + letters('quarantined'));
	assert.equal(hg.files('headgate.rejected').length, letters('delivered'));
});
