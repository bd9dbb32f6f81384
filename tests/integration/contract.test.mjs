// Promises of the wire contract that no other file holds, sentence by sentence, against the real binary.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, SERVER_KEY, headgate, pageView, purchase, uniqueId, waitFor } from './lib/headgate.mjs';

let hg;
before(async () => {
	hg = await Headgate.start({ config: {
		durability: 'disk',
		catalog: { public: true },
		http: { paths: { '/collect': '/v1/events', '/px/*': '/v1/pixel.gif' } },
		sources: {
			dev: { origins: ['http://localhost:*', 'https://shop.example'], dedup_group: 'shop' },
			backend: { dedup_group: 'shop' },
			denied: { kind: 'browser', keys: ['denied-key'], consent_defaults: { analytics: 'denied' } },
			never: { kind: 'browser', keys: ['never-key'], consent_defaults: { analytics: 'granted' }, dead_letter_payload: 'never' },
			always: { kind: 'browser', keys: ['always-key'], dead_letter_payload: 'always' },
			keep: { kind: 'app', keys: ['keep-key'], consent_defaults: { analytics: 'granted' }, unknown_events: 'keep', invalid_events: 'keep' },
			small: { kind: 'app', keys: ['small-key'], limits: { body_bytes: '2KiB', event_bytes: '1KiB', events: 2 } },
		},
	} });
});
after(() => hg?.close());

const BROKEN = Buffer.from([0xc3, 0x28]);
const withBytes = (text, bytes) => { const [a, b] = text.split('@@'); return Buffer.concat([Buffer.from(a), bytes, Buffer.from(b)]); };
const tally = (a) => [a.status, a.json?.accepted, a.json?.duplicates, a.json?.rejected];
async function stored(id, topic = 'headgate.events') {
	await hg.drained();
	return hg.files(topic).find((f) => f.event.event_id === id)?.event;
}
const letter = (id) => stored(id, 'headgate.rejected');
async function newestLetter() {
	await hg.drained();
	return hg.files('headgate.rejected').map((f) => f.event).sort((a, b) => Number(a.position.split('/')[3]) - Number(b.position.split('/')[3])).pop();
}

// --- events ---

test('null and "" are absent members, in an event and before a default of the envelope', async () => {
	const id = uniqueId();
	assert.deepEqual(tally(await hg.post({ event: 'page_view', event_id: id, version: null, event_time: '', user_id: null, session_id: '', ids: null, user: null, consent: null, context: null, properties: null, test: null, sent_at: '' })), [200, 1, 0, 0]);
	const line = await stored(id);
	assert.deepEqual(line.properties, {});
	assert.deepEqual(Object.keys(line.ids).sort(), ['anonymous_id', 'cookie_id', 'session_id'], 'those of the cookies');
	for (const member of ['user', 'sent_at', 'client_time', 'test']) assert.equal(line[member], undefined, member);
	const second = uniqueId();
	assert.equal((await hg.post({ user_id: 'default', events: [{ event: 'page_view', event_id: second, user_id: '' }] })).status, 200);
	assert.equal((await stored(second)).ids.user_id, 'default');
});

test('ids: integers as strings, placeholders absent with a warning, nil UUID too', async () => {
	const event = pageView({ anonymous_id: 'undefined', user_id: 9007199254740993n.toString(), device_id: '00000000-0000-0000-0000-000000000000', session_id: 'NaN',
		ids: { fbp: 'fb.1', customer: 42, group_id: '[object Object]', ttp: '', fbc: null } });
	const text = JSON.stringify(event).replace('"9007199254740993"', '9007199254740993');
	assert.deepEqual(tally(await hg.post(text)), [200, 1, 0, 0]);
	const line = await stored(event.event_id);
	const { cookie_id: cookie, anonymous_id: anonymous, session_id: session, ...own } = line.ids;
	assert.deepEqual(own, { user_id: '9007199254740993', fbp: 'fb.1', customer: '42' });
	assert.match(session, /^[0-9a-f-]{36}$/);
	assert.equal(anonymous, cookie, 'a placeholder is no id: the cookie names the visitor');
	assert.deepEqual(line.quality.warnings.map((w) => [w.path, w.rule]).sort(), [['/anonymous_id', 'placeholder_id'], ['/device_id', 'placeholder_id'], ['/ids/group_id', 'placeholder_id'], ['/session_id', 'placeholder_id']]);
});

test('17 ids: refused once, with the path', async () => {
	const answer = await hg.post(pageView({ anonymous_id: undefined, ids: Object.fromEntries(Array.from({ length: 19 }, (_, i) => [`id${i}`, 'v'])) }));
	assert.equal(answer.status, 400);
	assert.deepEqual(answer.json.events[0].errors.map((e) => e.path), ['/ids']);
	assert.equal((await hg.post(pageView({ anonymous_id: undefined, ids: Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`id${i}`, 'v'])) }))).status, 200);
});

test('a clock that is off is corrected, the original kept in client_time', async () => {
	const now = Date.now();
	const iso = (ms) => new Date(ms).toISOString();
	const send = async (over) => {
		const event = pageView(over);
		assert.equal((await hg.post(event)).status, 200);
		return stored(event.event_id);
	};
	const near = (text, ms) => assert.ok(Math.abs(Date.parse(text) - ms) < 5000, `${text} is not near ${iso(ms)}`);
	const exact = await send({ event_time: iso(now - 30_000), sent_at: iso(now - 20_000) });
	assert.equal(exact.event_time, iso(now - 30_000), 'up to 60 s nothing is corrected');
	assert.equal(exact.sent_at, iso(now - 20_000));
	assert.equal(exact.client_time, undefined);
	const fast = await send({ event_time: iso(now + 3_590_000), sent_at: iso(now + 3_600_000) });
	near(fast.event_time, now - 10_000);
	assert.equal(fast.client_time, iso(now + 3_590_000));
	const slow = await send({ event_time: iso(now - 3_610_000), sent_at: iso(now - 3_600_000) });
	near(slow.event_time, now - 10_000);
	assert.equal(slow.client_time, iso(now - 3_610_000));
	const future = await send({ event_time: iso(now + 600_000) });
	assert.equal(future.event_time, future.received_at);
	assert.equal(future.client_time, iso(now + 600_000));
	const number = await send({ event_time: now + 600_000 });
	assert.equal(number.client_time, iso(now + 600_000), 'times of the canonical event are RFC 3339, whatever came');
	const zoned = await send({ event_time: iso(now - 7_200_000).replace('Z', '+00:00') });
	assert.equal(zoned.event_time, iso(now - 7_200_000));
	const late = await send({ event_time: '2020-02-29T23:59:59.5+09:00' });
	assert.equal(late.event_time, '2020-02-29T14:59:59.500Z');
	assert.equal(late.quality.late, true);
	const absent = await send({});
	assert.equal(absent.event_time, absent.received_at);
	assert.equal(absent.quality, undefined);
});

test('the connection speaks for browsers, context and consent for servers', async () => {
	const context = { ip: '198.51.100.7', user_agent: 'forged', locale: 'de' };
	const browser = pageView({ context });
	assert.equal((await hg.post(browser, { headers: { 'user-agent': 'Real/1', 'sec-gpc': '1' } })).status, 200);
	const fromBrowser = await stored(browser.event_id);
	assert.deepEqual([fromBrowser.context.ip, fromBrowser.context.user_agent, fromBrowser.context.locale, fromBrowser.consent.gpc], ['127.0.0.0', 'Real/1', 'de', true]); // an opt-out of sale: reduced
	assert.ok((await hg.metrics()).get('headgate_ignored_members_total') >= 2);
	const server = pageView({ context });
	assert.equal((await hg.post(server, { key: SERVER_KEY, headers: { 'user-agent': 'curl/8', 'sec-gpc': '1' } })).status, 200);
	const fromServer = await stored(server.event_id);
	assert.deepEqual([fromServer.context.ip, fromServer.context.user_agent, fromServer.consent.gpc], ['198.51.100.0', 'forged', undefined]);
});

test('consent: words and booleans, statements pass through, purposes not configured too', async () => {
	const event = pageView({ consent: { analytics: true, ads: false, own_purpose: 'unknown', tcf: 'CPx', gdpr: 1, gpp_sid: [7], gcs: 'G111', time: '2026-01-01T00:00:00Z', version: '3' } });
	assert.equal((await hg.post(event)).status, 200);
	const { consent } = await stored(event.event_id);
	assert.deepEqual([consent.analytics, consent.ads, consent.own_purpose, consent.applied], ['granted', 'denied', 'unknown', 'reduced']);
	assert.deepEqual([consent.tcf, consent.gdpr, consent.gpp_sid, consent.gcs, consent.time, consent.version], ['CPx', 1, [7], 'G111', '2026-01-01T00:00:00.000Z', '3']);
	assert.deepEqual(consent.basis, { analytics: 'event', ads: 'event', own_purpose: 'event' });
});

test('an envelope finds members however their names are escaped', async () => {
	const ids = [uniqueId(), uniqueId(), uniqueId()];
	const answer = await hg.post(`{"user\\u005fid":"default","consent":{"person\\u0061lization":"denied"},"events":[{"event":"page_view","event_id":"${ids[0]}","user_id":"own","consent":{"personalization":"granted"}},`
		+ `{"event":"page_view","event_id":"${ids[1]}"},{"event":"page_view","event_id":"${ids[2]}","us\\u0065r_id":"own3"}]}`);
	assert.deepEqual(tally(answer), [200, 3, 0, 0], answer.text);
	const lines = await Promise.all(ids.map((id) => stored(id)));
	assert.deepEqual(lines.map((l) => [l.ids.user_id, l.consent.personalization]), [['own', 'granted'], ['default', 'denied'], ['own3', 'denied']]);
});

test('amounts with more decimals than the currency has are warned of', async () => {
	const send = async (properties) => {
		const event = purchase({ properties });
		const text = JSON.stringify(event).replace(/"(-?[\d.]+e?-?\d*)#"/g, '$1');
		assert.deepEqual(tally(await hg.post(text)), [200, 1, 0, 0]);
		return ((await stored(event.event_id)).quality?.warnings ?? []).map((w) => `${w.path} ${w.rule}`).filter((w) => w.endsWith('currency_decimals'));
	};
	assert.deepEqual(await send({ currency: 'EUR', value: '129.850#', tax: '1500e-3#', shipping: '0.000#', total: 130 }), []);
	assert.deepEqual(await send({ currency: 'EUR', value: 1.239, items: [{ product_id: 'a', price: 1.5, quantity: 1 }, { product_id: 'b', price: 0.30000000000000004, quantity: 1, discount: 0.001 }] }),
		['/properties/value currency_decimals', '/properties/items/1/price currency_decimals', '/properties/items/1/discount currency_decimals']);
	assert.deepEqual(await send({ currency: 'KRW', value: 59000.5, tax: 10, items: [{ product_id: 'a', price: 1, quantity: 1 }] }), ['/properties/value currency_decimals']);
	assert.deepEqual(await send({ currency: 'KWD', value: 1.239, tax: '1e-4#', items: [{ product_id: 'a', price: 1, quantity: 1 }] }), ['/properties/tax currency_decimals']);
});

test('sent_at makes no other event, whether it differs, comes later or stands anywhere', async () => {
	const id = uniqueId();
	const forms = [`{"event":"page_view","event_id":"${id}"}`, `{"event":"page_view","event_id":"${id}","sent_at":${Date.now()}}`, `{"sent_at":${Date.now() - 5} ,"event":"page_view","event_id":"${id}"}`, `{"event":"page_view", "sent_at":"${new Date().toISOString()}","event_id":"${id}"}`];
	assert.deepEqual(tally(await hg.post(forms[0])), [200, 1, 0, 0]);
	for (const form of forms.slice(1)) assert.deepEqual(tally(await hg.post(form)), [200, 0, 1, 0], form);
});

test('duplicates: same bytes in one batch, in disk mode; other bytes get an id of the server', async () => {
	const event = pageView();
	assert.deepEqual(tally(await hg.post([event, event, { ...event, properties: { other: 1 } }])), [200, 2, 1, 0]);
	const again = await hg.post({ ...event, properties: { other: 1 } });
	assert.deepEqual(tally(again), [200, 0, 1, 0], 'the retry of the other is a duplicate as well');
	await hg.drained();
	const lines = hg.files().map((f) => f.event).filter((e) => e.client_event_id === event.event_id);
	assert.equal(lines.length, 1);
	assert.notEqual(lines[0].event_id, event.event_id);
});

// --- unfit events of a batch ---

const deep = (levels) => '['.repeat(levels) + ']'.repeat(levels);
const unfit = {
	'too deep': (e) => e.replace('"@@"', deep(33)),
	'a thousand deep': (e) => e.replace('"@@"', deep(1000)),
	'twenty thousand deep': (e) => e.replace('"@@"', deep(20_000)),
	'NUL escape': (e) => e.replace('@@', '\\u0000'),
	'duplicate name': (e) => e.replace('"@@"', '1,"a":2'),
	'escaped duplicate name': (e) => e.replace('"@@"', '1,"\\u0061":2'),
	'too large': (e) => e.replace('@@', 'x'.repeat(65_536)),
	'bad UTF-8': (e) => withBytes(e, BROKEN),
};
for (const [name, spoil] of Object.entries(unfit)) {
	test(`an event of a batch that is unfit (${name}) is refused alone, with its id; the dead letter has it too`, async () => {
		for (const form of ['array', 'envelope', 'ndjson']) {
			const good = [pageView(), pageView()];
			const bad = pageView({ properties: { a: '@@' } });
			const middle = Buffer.from(spoil(JSON.stringify(bad)));
			const join = (...parts) => Buffer.concat(parts.map((p) => Buffer.from(p)));
			const [a, b] = good.map((e) => JSON.stringify(e));
			const body = form === 'array' ? join('[', a, ',', middle, ',', b, ']') : form === 'envelope' ? join('{"session_id":"s","events":[', a, ',', middle, ',', b, ']}') : join(a, '\n', middle, '\n', b);
			const answer = await hg.post(body, { type: form === 'ndjson' ? 'application/x-ndjson' : 'application/json' });
			assert.deepEqual(tally(answer), [207, 2, 0, 1], `${form}: ${answer.text.slice(0, 300)}`);
			assert.deepEqual([answer.json.events[0].index, answer.json.events[0].status, answer.json.events[0].event_id], [1, 'rejected', bad.event_id], form);
			const found = await letter(bad.event_id);
			assert.ok(found, `${form}: no dead letter with that id`);
			assert.equal(found.event, 'page_view');
			if (name === 'bad UTF-8') assert.ok(found.payload === undefined && Buffer.from(found.payload_base64, 'base64').includes(BROKEN), form);
			if (name === 'too large' || name.includes('duplicate')) assert.ok(found.payload === undefined && found.payload_base64 === undefined, form);
		}
	});
}

test('consent of the envelope holds for an unfit event as well', async () => {
	const bad = pageView({ properties: { secret_name: '\u0000' } });
	await hg.post({ consent: { analytics: 'denied', ads: 'denied' }, events: [bad, pageView()] });
	const found = await letter(bad.event_id);
	assert.ok(found);
	assert.ok(!JSON.stringify(found).includes('secret_name'), JSON.stringify(found));
});

// --- dead letters ---

test('a dead letter without consent names no name of its payload', async () => {
	const event = purchase({ properties: { value: -1, secret_member: 'secret value', items: [{ product_id: 'secret', price: 1, quantity: 1, secret_inner: 1 }] }, consent: { analytics: 'denied' } });
	const answer = await hg.post(event, { key: 'denied-key' });
	assert.equal(answer.status, 400);
	assert.ok(answer.json.events[0].errors.some((e) => e.path === '/properties/secret_member'), 'the sender is told');
	const found = await letter(event.event_id);
	assert.ok(!JSON.stringify(found).includes('secret'), JSON.stringify(found));
	const paths = found.errors.map((e) => e.path);
	for (const path of ['/properties/value', '/properties/*', '/properties/items/0/*']) assert.ok(paths.includes(path), `${path} in ${paths}`);
	assert.equal(found.event, 'purchase');
	assert.deepEqual(found.consent, { analytics: 'denied' });
});

test('a statement that cannot be read may be a refusal: no payload, whatever else is wrong', async () => {
	const event = purchase({ anonymous_id: 'x'.repeat(257), consent: { analytics: 'no' } });
	assert.equal((await hg.post(event)).status, 400);
	const found = await letter(event.event_id);
	assert.deepEqual([found.reason, found.payload], ['member', undefined]);
});

test('dead_letter_payload never and always', async () => {
	const never = purchase({ properties: { value: -1 } });
	await hg.post(never, { key: 'never-key' });
	assert.equal((await letter(never.event_id)).payload, undefined);
	const always = purchase({ properties: { value: -1 }, consent: { analytics: 'denied' } });
	await hg.post(always, { key: 'always-key' });
	assert.equal((await letter(always.event_id)).payload.properties.value, -1);
	await hg.post('{"event":', { key: 'always-key' });
	assert.equal(Buffer.from((await newestLetter()).payload_base64 ?? '', 'base64').toString(), '{"event":');
	await hg.post(`${JSON.stringify(pageView())}\n{"half":`, { key: 'always-key', type: 'application/x-ndjson' });
	assert.equal(Buffer.from((await newestLetter()).payload_base64 ?? '', 'base64').toString(), '{"half":');
});

test('an unknown event: a dead letter that says which one, but never its payload', async () => {
	const event = { event: 'purchse', event_id: uniqueId(), consent: { analytics: 'granted' }, properties: { secret: 1 } };
	assert.equal((await hg.post(event)).status, 400);
	const found = await letter(event.event_id);
	assert.equal(found?.event, 'purchse');
	assert.equal(found.payload, undefined);
	assert.equal(found.reason, 'unknown_event');
	assert.match(found.errors[0].message, /did you mean "purchase"/);
});

test('the payload of a dead letter has the defaults of the envelope merged', async () => {
	const bad = purchase({ anonymous_id: undefined, properties: { value: -1 } });
	await hg.post({ anonymous_id: 'from-envelope', context: { locale: 'de' }, events: [bad] });
	const { payload } = await letter(bad.event_id);
	assert.deepEqual([payload.anonymous_id, payload.context.locale], ['from-envelope', 'de']);
});

test('unknown_events and invalid_events keep: to the unverified topic, flagged', async () => {
	const unknown = pageView({ event: 'strange_thing' });
	const invalid = purchase({ properties: { value: -1 } });
	assert.deepEqual(tally(await hg.post([unknown, invalid], { key: 'keep-key' })), [200, 2, 0, 0]);
	for (const { event_id } of [unknown, invalid]) {
		const line = await stored(event_id, 'headgate.unverified');
		assert.equal(line.quality.unverified, true);
		assert.ok(line.quality.warnings.length > 0);
	}
	assert.equal((await hg.post(pageView({ event: 'Bad Name' }), { key: 'keep-key' })).status, 400, 'without a name it can not be kept');
});

// --- requests ---

test('limits of a source', async () => {
	assert.equal((await hg.post([pageView(), pageView(), pageView()], { key: 'small-key' })).status, 413);
	assert.equal((await hg.post(pageView({ properties: { a: 'x'.repeat(1100) } }), { key: 'small-key' })).json.events[0].errors[0].rule, 'too_large');
	assert.equal((await hg.post(pageView({ properties: { a: 'x'.repeat(2100) } }), { key: 'small-key' })).status, 413);
});

test('further paths lead to a route', async () => {
	assert.deepEqual(tally(await hg.post(pageView(), { path: '/collect' })), [200, 1, 0, 0]);
	assert.equal((await hg.get('/px/logo.gif?key=dev&event=page_view')).status, 200);
	for (const [path, told] of [['/v1/pixel.gif', '/v1/pixel.gif'], ['/px/jane@example.org', '/px/*']]) {
		assert.equal((await hg.get(`${path}?key=dev&event=page_view&oops=1`)).status, 200);
		assert.equal((await newestLetter()).path, told, 'the way in as the configuration names it: what stands for * may be anything');
	}
	assert.equal((await hg.post(pageView(), { path: '/collect/more' })).status, 404);
});

test('a path that leads nowhere is a wrong configuration: 78, with the path', async (t) => {
	const broken = await headgate(t, { expectExit: true, config: { http: { paths: { '/collect': '/v1/event' } } } });
	assert.equal((await broken.exit).code, 78);
	assert.match(broken.stderr, /http\.paths: \/collect leads to \/v1\/event, which is no route/);
});

test('errors carry CORS headers and X-Request-Id on every route, the pixel too', async () => {
	const headers = { origin: 'https://shop.example', 'x-request-id': 'r.1' };
	const answers = [await hg.get('/v1/pixel.gif?event=page_view', { headers }), await hg.get('/v1/pixel.gif?key=dev&a=1&a.b=2&event=page_view', { headers }), await hg.get('/nope', { headers }), await hg.get('/v1/catalog/nope/1-0-0', { headers }),
		await hg.post('[', { path: '/v1/validate', headers }), await hg.post('{}', { headers: { ...headers, 'idempotency-key': 'x'.repeat(129) } })];
	for (const a of answers) {
		assert.ok(a.status >= 400 && a.status < 500, String(a.status));
		assert.deepEqual([a.headers['access-control-allow-origin'], a.headers['access-control-allow-credentials'], a.headers.vary, a.headers['x-request-id']], ['https://shop.example', 'true', 'Origin', 'r.1']);
	}
	const foreign = await hg.get('/v1/pixel.gif?key=dev&event=page_view', { headers: { origin: 'https://evil.example' } });
	assert.deepEqual([foreign.status, foreign.headers['access-control-allow-origin']], [403, undefined]);
	assert.ok(foreign.headers['x-request-id']);
});

test('the pixel: values are typed by the catalog only, conflicts are told', async () => {
	const id = uniqueId();
	const answer = await hg.get(`/v1/pixel.gif?key=dev&event=page_view&event_id=${id}&test=true&context.page.url=https%3A%2F%2Fa%2F%3Fx%3D1%26y&properties.n=5&properties.things.0.a=x+y&event_time=${Date.now()}&user_id=77`);
	assert.equal(answer.status, 200);
	const line = await stored(id);
	assert.equal(line.test, true);
	assert.equal(line.context.page.url, 'https://a/?x=1&y');
	assert.deepEqual(line.properties, { n: '5', things: [{ a: 'x y' }] });
	assert.deepEqual([line.ids.user_id, line.source.protocol], ['77', 'pixel']);
	const head = await hg.request('HEAD', '/v1/pixel.gif?key=dev&event=page_view');
	assert.deepEqual([head.status, head.headers['content-type'], head.body.length], [200, 'image/gif', 0]);
	assert.equal((await hg.request('HEAD', '/v1/pixel.gif?event=page_view')).status, 401);
	const retried = await hg.get(`/v1/pixel.gif?key=dev&data=${Buffer.from('{').toString('base64url')}`);
	assert.equal(retried.status, 400);
	assert.equal(retried.headers['content-type'], 'image/gif');
});

test('the pixel takes consent in words and as true or false', async () => {
	const id = uniqueId();
	assert.equal((await hg.get(`/v1/pixel.gif?key=dev&event=page_view&event_id=${id}&consent.analytics=true&consent.ads=false&consent.other=denied`)).status, 200);
	const { consent } = await stored(id);
	assert.deepEqual([consent.analytics, consent.ads, consent.other], ['granted', 'denied', 'denied']);
});

test('more query arguments than the limit: 414, not a silent reset', async () => {
	for (const n of [256, 3000]) {
		const answer = await hg.raw(`POST /v1/events?key=dev&${'a&'.repeat(n)} HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example\r\nContent-Length: 2\r\n\r\n`, { timeoutMs: 3000 });
		assert.deepEqual([answer.status, answer.how], [414, 'closed'], answer.text);
		assert.match(answer.text, /"query_arguments"/);
		assert.match(answer.text, /X-Request-Id: /);
		assert.match(answer.text, /Access-Control-Allow-Origin: https:\/\/shop\.example\r\n/);
	}
	const arguments256 = Array.from({ length: 254 }, (_, i) => `properties.a${i}=1`).join('&');
	assert.equal((await hg.get(`/v1/pixel.gif?key=dev&&event=page_view&${arguments256}&`)).status, 200, 'empty arguments are none');
	assert.equal((await hg.get(`/v1/pixel.gif?key=dev&event=page_view&${arguments256}`, { headers: { cookie: 'c'.repeat(15_000) } })).status, 200, 'they leave the room of the headers alone');
	assert.ok((await hg.metrics()).get('headgate_refused_total', { reason: 'query_arguments' }) >= 2);
	assert.ok((await hg.metrics()).get('headgate_requests_total', { code: 414 }) >= 2);
});

test('the pixel stays a picture, whatever is wrong with the request', async () => {
	const get = (rest, target = '/v1/pixel.gif?key=dev&event=page_view') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${rest}\r\n`;
	const requests = [
		[400, get('Host: b\r\n')], [400, get('Content-Length: 2\r\n')], [417, get('Expect: 200-ok\r\n')], [501, get('Transfer-Encoding: gzip\r\n')],
		[414, get('', `/v1/pixel.gif?key=dev&x=${'a'.repeat(16_500)}`)], [414, get('', `/px/a?key=dev&${'a&'.repeat(300)}`)],
		[431, get(Array.from({ length: 40 }, (_, i) => `X-${i}: ${'a'.repeat(430)}\r\n`).join(''))], [405, get('').replace('GET', 'DELETE')], [404, get('', '/v1/pixel.gi')],
	];
	for (const [status, text] of requests) {
		const answer = await hg.raw(text, { timeoutMs: 3000, until: /GIF89a[^]*;|\}\}$/ });
		const type = status === 404 ? 'application/json' : 'image/gif';
		assert.deepEqual([answer.status, answer.text.match(/Content-Type: (\S+)/)?.[1]], [status, type], answer.text);
		if (status !== 404) assert.match(answer.text, /Cross-Origin-Resource-Policy: cross-origin\r\n[^]*\r\n\r\nGIF89a/);
	}
});

test('a request that carried an X-Request-Id gets one, also where its own cannot be used', async () => {
	for (const given of ['fine-1', 'not fine <b>', 'x'.repeat(65)]) {
		const answer = await hg.post(pageView(), { headers: { 'x-request-id': given } });
		assert.equal(answer.status, 200);
		assert.match(answer.headers['x-request-id'], given === 'fine-1' ? /^fine-1$/ : /^[0-9a-f]{16}$/);
	}
});

test('the catalog: listed, one schema as it stands, 404 where it is not public', async (t) => {
	const list = await hg.get('/v1/catalog');
	assert.ok(list.json.events.some((e) => e.event === 'purchase' && e.default === '1-0-0'));
	const schema = await hg.get('/v1/catalog/purchase/1-0-0');
	assert.equal(schema.json.title, 'Purchase');
	assert.match(schema.headers['content-type'], /^application\/(schema\+)?json/);
	const closed = await headgate(t);
	assert.equal((await closed.get('/v1/catalog')).status, 404);
});

// --- books ---

test('an unreadable body is one received, one rejected; a refused request is none', async () => {
	const read = async () => { const m = await hg.metrics(); return [m.get('headgate_events_total', { verdict: 'rejected' }), m.get('headgate_requests_total')]; };
	const [events, requests] = await read();
	await hg.post('{');
	await hg.post('{}', { key: 'unknown' });
	await hg.post('{}', { type: 'text/html' });
	await hg.post([], { path: '/v1/validate' });
	const [eventsAfter, requestsAfter] = await read();
	assert.deepEqual([eventsAfter - events, requestsAfter - requests], [1, 4]);
});

test('no log line holds a payload or a key', async () => {
	assert.ok(hg.stderr.trim().length > 0);
	for (const line of hg.stderr.trim().split('\n')) assert.equal(typeof JSON.parse(line), 'object');
	assert.doesNotMatch(hg.stderr, /secret|denied-key|backend-0123|shop\.example/);
});

test('a catalog folder that is not there is a wrong configuration: 78, with its path', async (t) => {
	const broken = await headgate(t, { expectExit: true, config: { catalog: { dir: '/nonexistent/schemas' } } });
	assert.equal((await broken.exit).code, 78);
	assert.match(broken.stderr, /catalog\.dir: .*nonexistent/);
});

// --- a disk that is nearly full ---

test('over the disk budget: 503 with Retry-After on every route that stores, readyz red, and well again by itself', async (t) => {
	// The sink writes beside the data folder, whose budget is the journal's alone, and a file stands where its folder should.
	const config = { journal: { file_bytes: '256KiB', disk_budget_bytes: '4MiB' }, lanes: 1 };
	const small = await headgate(t, { config });
	await small.sigterm();
	const beside = join(small.home, 'beside');
	mkdirSync(beside);
	writeFileSync(join(beside, 'headgate.events'), '');
	rmSync(join(small.dataDir, 'events'), { recursive: true, force: true });
	symlinkSync(beside, join(small.dataDir, 'events'));
	await small.restart();
	const ids = [];
	let refused, inARow = 0;
	// A writer that outruns the preparation of files is put off as well, for a moment: on, until it stays that way.
	await waitFor(async () => {
		const batch = Array.from({ length: 20 }, () => pageView({ properties: { a: 'x'.repeat(4000) } }));
		const answer = await small.post(batch);
		if (answer.status === 200) ids.push(...batch.map((e) => e.event_id));
		else refused = answer;
		inARow = answer.status === 503 && (await small.admin('/readyz')).status === 503 ? inARow + 1 : 0;
		return inARow === 20;
	}, { deadlineMs: 30_000, everyMs: 25, what: 'the budget ends' });
	assert.ok(Number(refused.headers['retry-after']) >= 1);
	assert.ok(ids.length > 100, String(ids.length));
	assert.equal((await small.admin('/livez')).status, 200);
	assert.equal((await small.status()).ready, false);
	const pixel = await small.get('/v1/pixel.gif?key=dev&event=page_view');
	assert.deepEqual([pixel.status, pixel.headers['content-type']], [503, 'image/gif']);
	assert.ok(Number(pixel.headers['retry-after']) >= 1);
	assert.equal((await small.post(pageView(), { path: '/v1/validate' })).status, 200, 'a dry run needs no room');
	const m = await small.metrics();
	const state = (s) => m.get('headgate_records_total', { state: s });
	assert.equal(state('accepted'), ids.length);
	assert.equal(state('accepted'), state('delivered') + m.get('headgate_forward_pending_records'));
	unlinkSync(join(beside, 'headgate.events'));
	await waitFor(async () => (await small.admin('/readyz')).status === 200, { deadlineMs: 30_000, what: 'readyz is well again' });
	await waitFor(async () => (await small.post(pageView())).status === 200, { what: 'events are taken again' });
	await small.drained();
	const found = new Set(small.files().map((f) => f.event.event_id));
	for (const id of ids) assert.ok(found.has(id), id);
});

// --- stopping ---

test('SIGTERM drains: a request that has begun is answered, new connections are not taken, exit 0', async (t) => {
	const hg2 = await headgate(t);
	const event = JSON.stringify(pageView());
	const socket = connect({ port: hg2.port, host: '127.0.0.1' });
	let text = '';
	socket.on('data', (d) => (text += d));
	await once(socket, 'connect');
	socket.write(`POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Write-Key: dev\r\nContent-Length: ${event.length}\r\n\r\n${event.slice(0, 20)}`);
	await waitFor(async () => (await hg2.status()).http.in_flight === 1, { what: 'a request in flight' });
	hg2.child.kill('SIGTERM');
	await waitFor(async () => (await hg2.admin('/readyz')).status === 503, { what: 'not ready while draining' });
	await waitFor(() => hg2.get('/v1/events').then(() => false, () => true), { what: 'no new connections' });
	socket.write(event.slice(20));
	await once(socket, 'close');
	assert.match(text, /^HTTP\/1\.1 200 /);
	assert.match(text, /\r\nConnection: close\r\n/i);
	assert.deepEqual(await hg2.exit, { code: 0, signal: null });
	assert.equal(hg2.files().length, 1);
});

test('SIGINT stops in good order as well', async (t) => {
	const hg2 = await headgate(t);
	hg2.child.kill('SIGINT');
	assert.deepEqual(await hg2.exit, { code: 0, signal: null });
});

test('the data directory is 0700, every file in it 0600', async (t) => {
	const hg2 = await headgate(t);
	await hg2.post([pageView(), {}]);
	await hg2.drained();
	const walk = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [join(dir, e.name), ...walk(join(dir, e.name))] : [join(dir, e.name)]));
	for (const path of [hg2.dataDir, ...walk(hg2.dataDir)]) {
		const stat = statSync(path);
		assert.equal(stat.mode & 0o777, stat.isDirectory() ? 0o700 : 0o600, path);
	}
});
