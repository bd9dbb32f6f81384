// The form of the canonical event: what is told and what is absent, whatever form it came in.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Headgate, SERVER_KEY, pageView, purchase, uniqueId } from './lib/headgate.mjs';

let hg;
before(async () => {
	hg = await Headgate.start({ config: { sources: {
		app: { kind: 'app', keys: ['app-key'], consent_defaults: { analytics: 'granted', ads: 'granted' } },
		bare: { kind: 'browser', keys: ['bare-key'], cookies: 'off', consent_defaults: { analytics: 'granted', ads: 'granted' } },
		keep: { kind: 'app', keys: ['keep-key'], consent_defaults: { analytics: 'granted', ads: 'granted', personalization: 'granted', functional: 'granted' }, unknown_events: 'keep', invalid_events: 'keep' },
		careful: { kind: 'app', keys: ['careful-key'], unknown_events: 'keep', invalid_events: 'keep' },
	} } });
});
after(() => hg?.close());

// Posts one event; what is stored of it, and its line.
async function send(event, key = 'dev', topic = 'headgate.events') {
	const answer = await hg.post(event, { key });
	assert.equal(answer.status, 200, answer.text);
	await hg.drained();
	const id = typeof event === 'string' ? JSON.parse(event).event_id : event.event_id;
	const found = hg.files(topic).find((f) => f.event.event_id === id);
	assert.ok(found, answer.text);
	return found;
}
const ignored = async (member) => (await hg.metrics()).get('headgate_ignored_members_total', { member });

test('members of user and context that say nothing are absent, flags that are false too', async () => {
	const silent = { locale: null, timezone: '', internal: false, bot: false, page: { url: null, title: '' }, geo: { country: null }, app: { name: 'shop', build: null }, experiments: [{ id: 'e1', variant: null }] };
	const browser = await send(pageView({ user: { email: null, traits: null, name: '' }, context: silent }));
	assert.equal(browser.event.user, undefined);
	const { ip, user_agent: agent, device, ...context } = browser.event.context;
	assert.deepEqual(context, { app: { name: 'shop' }, experiments: [{ id: 'e1' }] }, browser.line);
	const server = await send(pageView({ context: { ip: null, user_agent: '', geo: { country: null, city: 'Seoul' }, device: { class: '' } }, user: { traits: { level: null } } }), SERVER_KEY);
	assert.deepEqual(server.event.context, { geo: { city: 'Seoul' } });
	assert.deepEqual(server.event.user, { traits: { level: null } }, 'what the shop named itself stays');
	const told = await send(pageView({ context: { internal: true, bot: true, page: { url: 'https://shop.example/', title: null } } }));
	assert.deepEqual([told.event.context.internal, told.event.context.bot, told.event.context.page], [true, true, { url: 'https://shop.example/', referrer_class: 'direct', landing: undefined }].map((v) => (typeof v === 'object' ? JSON.parse(JSON.stringify(v)) : v)));
});

test('members of context that headgate does not know, and properties, stay as they came', async () => {
	const id = uniqueId();
	const own = '"own":null,"flag":false,"empty":"","deep":{"a":null,"b":""}';
	const { line } = await send(`{"event":"page_view","event_id":"${id}","context":{${own},"page":{"own":null,"title":null}},"properties":{"a":null,"b":"","bot":false}}`);
	assert.ok(line.includes(`"context":{${own},"page":{"own":null}`), line);
	assert.ok(line.includes('"properties":{"a":null,"b":"","bot":false}'), line);
});

test('times are RFC 3339 UTC with milliseconds, that of consent too', async () => {
	const time = async (given) => (await send(pageView({ consent: { analytics: 'granted', time: given } }))).event.consent.time;
	assert.equal(await time('2026-01-01T00:00:00Z'), '2026-01-01T00:00:00.000Z');
	assert.equal(await time('2026-01-01T09:00:00.5+09:00'), '2026-01-01T00:00:00.500Z');
	assert.equal(await time(1767225600123), '2026-01-01T00:00:00.123Z');
	assert.equal(await time('yesterday'), undefined, 'what nobody can read is not known');
	assert.equal(await time(''), undefined);
});

test('the cookie is what the connection says, in apps and without cookies too', async () => {
	const before = await ignored('/ids/cookie_id');
	for (const key of ['dev', 'app-key', 'bare-key']) {
		const { event } = await send(pageView({ ids: { cookie_id: 'claimed', fbp: 'fb.1' } }), key);
		assert.notEqual(event.ids.cookie_id, 'claimed', key);
		assert.equal(event.ids.fbp, 'fb.1');
	}
	assert.equal(await ignored('/ids/cookie_id'), before + 3);
	await hg.post(pageView({ ids: { cookie_id: 'claimed' } }), { key: 'app-key', path: '/v1/validate' });
	assert.equal(await ignored('/ids/cookie_id'), before + 3, 'a trial counts nothing');
	assert.equal((await send(pageView({ ids: { cookie_id: 'told' } }), SERVER_KEY)).event.ids.cookie_id, 'told', 'a server passes on what it knows');
});

test('ids are measured and recognised by what they say, not by how it is written', async () => {
	const escaped = (text) => [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
	const withUser = (user) => `{"event":"page_view","event_id":"${uniqueId()}","user_id":"${user}"}`;
	assert.equal((await send(withUser(escaped('é'.repeat(128))))).event.ids.user_id, 'é'.repeat(128));
	assert.equal((await hg.post(withUser(escaped('é'.repeat(129))))).status, 400);
	const { event } = await send(withUser(`und${escaped('efined')}`));
	assert.equal(event.ids.user_id, undefined);
	assert.deepEqual(event.quality.warnings, [{ path: '/user_id', rule: 'placeholder_id' }]);
});

test('an event kept in spite of its version or name tells the version that was sent, and is counted by its name', async () => {
	const unknown = pageView({ version: '7-0-0' });
	assert.equal((await send(unknown, 'keep-key', 'headgate.unverified')).event.version, '7-0-0');
	assert.equal((await hg.metrics()).get('headgate_events_total', { source: 'keep', event: 'page_view', verdict: 'accepted' }), 1);
	assert.equal((await send({ event: 'own_event', event_id: uniqueId(), version: 'v "2"' }, 'keep-key', 'headgate.unverified')).event.version, 'v "2"');
	assert.equal((await hg.metrics()).get('headgate_events_total', { source: 'keep', event: 'other', verdict: 'accepted' }), 1);
	assert.equal((await send({ event: 'own_event', event_id: uniqueId(), version: '1.2' }, 'careful-key', 'headgate.unverified')).event.version, '1.2');
	assert.equal((await send({ event: 'own_event', event_id: uniqueId(), version: 'of mina' }, 'careful-key', 'headgate.unverified')).event.version, undefined, 'no words of one who did not consent');
});

test('warnings that found no room are counted', async () => {
	const items = Array.from({ length: 12 }, () => ({ product_id: 'a', price: -1, quantity: 1 }));
	const { event } = await send(purchase({ properties: { items } }), 'keep-key', 'headgate.unverified');
	assert.equal(event.quality.warnings.length, 8);
	assert.equal(event.quality.more_warnings, 4);
});

test('source.sdk is what sent it, by context.library', async () => {
	const of = async (library, extra) => (await send(pageView({ context: { library }, ...extra }))).event.source.sdk;
	assert.equal(await of({ name: 'headgate-web', version: '1.4.0' }), 'headgate-web/1.4.0');
	assert.equal(await of({ name: 'headgate-web' }), 'headgate-web');
	assert.equal(await of({ version: '1' }), undefined);
	assert.equal(await of('analytics.js'), undefined);
	assert.equal(await of({ name: 'x'.repeat(65) }), undefined);
	assert.equal(await of({ name: 'mina@example.com', version: '1' }), '*/1');
	assert.equal(await of({ name: 'headgate-web', version: '1' }, { consent: { analytics: 'denied', ads: 'denied' } }), undefined);
});
