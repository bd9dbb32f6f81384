// Consent at the door, request by request: what speaks, what becomes of the event, and where that is told: on the event, in
// the answer, in the metrics. The outcomes themselves stand in tests/consent/table.txt.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, SERVER_KEY, headgate, pageView, purchase, root, uniqueId } from './lib/headgate.mjs';
import { Ledger, assertBooks } from './lib/books.mjs';

const TC_ALL = 'CQlH_MAQlH_MAAfABBENB4FgAP_gAAAAAAYgF5wAgAFALzAAAAAA.IAAA.YAAAAAAAAAAA';
const TC_NONE = 'CQlH_MAQlH_MAAfABBENB4FgAAAAAAAAAAYgAAAAAAAA.IAAA.YAAAAAAAAAAA';
let hg, ledger;
before(async () => {
	hg = await Headgate.start({ config: {
		http: { trusted_proxies: ['127.0.0.1'], country_header: 'X-Country' },
		topics: { consent: 'shop.consent' },
		sources: {
			silent: { kind: 'browser', keys: ['silent-key'] },
			granted: { kind: 'browser', keys: ['granted-key'], consent_defaults: { analytics: 'granted', ads: 'granted' } },
			dropping: { kind: 'browser', keys: ['dropping-key'], denied_events: 'dropped' },
			lands: { kind: 'app', keys: ['lands-key'], consent_defaults: { analytics: 'granted' }, consent_country_defaults: { DE: { analytics: 'denied' }, US: { analytics: 'granted', ads: 'granted' } } },
			server: { kind: 'server', keys: ['server-key'], consent_defaults: { analytics: 'contract', ads: 'denied' }, consent_country_defaults: { JP: { analytics: 'denied' } } },
			daily: { kind: 'browser', keys: ['daily-key'], daily_id: true },
			keep: { kind: 'browser', keys: ['keep-key'], unknown_events: 'keep', consent_defaults: { analytics: 'granted', ads: 'granted' } },
		},
	} });
	ledger = Ledger.watch(hg);
});
after(() => hg?.close());

async function stored(id, topic = 'headgate.events') {
	await hg.drained();
	return hg.files(topic).find((f) => f.event.event_id === id)?.event;
}
async function send(over, key, headers = {}, topic) {
	const event = pageView({ anonymous_id: 'somebody', ...over });
	const answer = await hg.post(event, { key, headers });
	assert.equal(answer.status, 200, answer.text);
	return { answer: answer.json, event: await stored(event.event_id, topic), id: event.event_id };
}
const states = (event) => [event.consent.analytics, event.consent.ads];
const bases = (event) => [event.consent.basis.analytics, event.consent.basis.ads];
const counted = async (labels) => (await hg.metrics()).get('headgate_consent_total', labels);
// Every byte below the data directory.
function everything(dir = hg.dataDir) {
	return readdirSync(dir).map((name) => join(dir, name)).map((path) => (statSync(path).isDirectory() ? everything(path) : readFileSync(path, 'latin1'))).join('\n');
}

test('nothing said and no default: unknown, which counts as denied', async () => {
	const before = await counted({ source: 'silent', applied: 'stripped', basis: 'none' });
	const { answer, event, id } = await send({}, 'silent-key');
	assert.deepEqual(answer.events, [{ index: 0, event_id: id, status: 'accepted', applied: 'stripped' }]);
	assert.deepEqual(event.consent, { analytics: 'unknown', ads: 'unknown', personalization: 'unknown', functional: 'unknown', basis: {}, applied: 'stripped' });
	assert.equal(await counted({ source: 'silent', applied: 'stripped', basis: 'none' }), before + 1);
});

test('granted for all: kept, and the answer says nothing of it', async () => {
	const { answer, event } = await send({}, 'granted-key');
	assert.deepEqual(answer.events, []);
	assert.deepEqual([states(event), bases(event), event.consent.applied], [['granted', 'granted'], ['default', 'default'], 'kept']);
});

test('Sec-GPC: 1 denies ads and leaves analytics alone; other values of it say nothing; DNT only where it is honoured', async (t) => {
	const { answer, event } = await send({ consent: { analytics: 'granted', ads: 'granted' } }, 'silent-key', { 'sec-gpc': '1' });
	assert.equal(answer.events[0].applied, 'reduced');
	assert.deepEqual([states(event), bases(event), event.consent.gpc], [['granted', 'denied'], ['event', 'gpc'], true]);
	for (const headers of [{ 'sec-gpc': '0' }, { 'sec-gpc': 'true' }, { 'sec-gpc': '' }, { dnt: '1' }]) {
		const other = await send({}, 'granted-key', headers);
		assert.deepEqual([other.event.consent.applied, other.event.consent.gpc], ['kept', undefined], JSON.stringify(headers));
	}
	const honouring = await headgate(t, { config: { consent: { honor_dnt: true } } });
	const event2 = pageView();
	assert.equal((await honouring.post(event2, { headers: { dnt: '1' } })).json.events[0].applied, 'reduced');
	await honouring.drained();
	assert.equal(honouring.files()[0].event.consent.basis.ads, 'dnt');
});

test('dropped: told so, counted, and no byte of it is kept', async () => {
	const event = pageView({ anonymous_id: 'nobody-4711', user_id: 'user-4711', consent: { analytics: 'denied' } });
	const answer = await hg.post([event, pageView({ consent: { analytics: true, ads: true } })], { key: 'dropping-key' });
	assert.equal(answer.status, 200);
	assert.deepEqual([answer.json.received, answer.json.accepted, answer.json.dropped], [2, 1, 1]);
	assert.deepEqual(answer.json.events, [{ index: 0, event_id: event.event_id, status: 'dropped', applied: 'dropped' }]);
	await hg.drained();
	for (const trace of ['nobody-4711', 'user-4711', event.event_id]) assert.ok(!everything().includes(trace), trace);
	const m = await hg.metrics();
	assert.equal(m.get('headgate_consent_total', { source: 'dropping', applied: 'dropped', basis: 'event' }), 1);
	assert.equal(m.get('headgate_events_total', { source: 'dropping', verdict: 'dropped' }), 1);
	// only one that would be taken is dropped: what is wrong is told
	const wrong = await hg.post(purchase({ properties: { value: 'x' } }), { key: 'dropping-key' });
	assert.equal(wrong.json.dropped, 1);
	assert.equal((await hg.post({ event: 'purchse', event_id: uniqueId() }, { key: 'dropping-key' })).json.rejected, 1);
	// a dropped event leaves no key: with consent the same id is taken
	assert.equal((await hg.post({ ...event, consent: { analytics: true, ads: true } }, { key: 'dropping-key' })).json.accepted, 1);
});

test('a dry run tells the same and counts nothing', async () => {
	const before = await counted({});
	const answer = await hg.post([pageView(), pageView({ consent: { analytics: true, ads: true } })], { key: 'dropping-key', path: '/v1/validate' });
	assert.deepEqual([answer.status, answer.json.dropped, answer.json.accepted, answer.json.events[0].applied], [200, 1, 1, 'dropped']);
	await hg.post(pageView({ consent: { tcf: 'x' } }), { key: 'silent-key', path: '/v1/validate' });
	assert.deepEqual([await counted({}), (await hg.metrics()).get('headgate_consent_ignored_total')], [before, 0]);
});

test('defaults by country: from the header of a trusted proxy, of server sources from the context', async (t) => {
	const outcome = async (headers, over) => { const { event } = await send(over ?? {}, 'lands-key', headers); return [...states(event), event.consent.applied]; };
	assert.deepEqual(await outcome({ 'x-country': 'DE' }), ['denied', 'unknown', 'stripped']);
	assert.deepEqual(await outcome({ 'x-country': 'us' }), ['granted', 'granted', 'kept']);
	assert.deepEqual(await outcome({ 'x-country': 'FR' }), ['granted', 'unknown', 'reduced']);
	for (const odd of ['XX', 'T1', 'D', 'DEU', '', 'é€']) assert.deepEqual(await outcome({ 'x-country': Buffer.from(odd).toString('latin1') }), ['granted', 'unknown', 'reduced'], odd);
	assert.deepEqual(await outcome({}, { context: { geo: { country: 'DE' } } }), ['granted', 'unknown', 'reduced']);
	assert.deepEqual(await outcome({ 'x-country': 'DE' }, { consent: { analytics: 'granted', ads: 'granted' } }), ['granted', 'granted', 'kept']);
	const server = async (over, headers) => { const { event } = await send(over, 'server-key', headers); return [...states(event), ...bases(event)]; };
	assert.deepEqual(await server({}), ['granted', 'denied', 'contract', 'default']);
	assert.deepEqual(await server({ context: { geo: { country: 'JP' } } }), ['denied', 'denied', 'default', 'default']);
	assert.deepEqual(await server({}, { 'x-country': 'JP', 'sec-gpc': '1' }), ['granted', 'denied', 'contract', 'default'], 'the connection of a server is its own');
	assert.deepEqual(await server({ consent: { ads: 'granted', gpc: true } }), ['granted', 'denied', 'contract', 'gpc']);
	const direct = await headgate(t, { config: { http: { country_header: 'X-Country' }, sources: { lands: { kind: 'app', keys: ['lands-key'], consent_country_defaults: { US: { analytics: 'granted' } } } } } });
	assert.equal((await direct.post(pageView(), { key: 'lands-key', headers: { 'x-country': 'US' } })).json.events[0].applied, 'stripped', 'anybody could say so');
});

test('raw strings and names of the sender stay only on events that keep ids', async () => {
	const said = { tcf: TC_ALL, gdpr: 1, gcs: 'G111', time: '2026-06-01T00:00:00Z', version: '7', method: 'banner', person_4712: 'granted' };
	const kept = (await send({ consent: said }, 'silent-key')).event.consent;
	assert.deepEqual([kept.applied, kept.tcf, kept.gdpr, kept.gcs, kept.time, kept.version, kept.method, kept.person_4712], ['kept', TC_ALL, 1, 'G111', '2026-06-01T00:00:00.000Z', '7', 'banner', 'granted']);
	assert.equal((await send({ consent: { ...said, time: 1780272000123 } }, 'silent-key')).event.consent.time, '2026-06-01T00:00:00.123Z');
	const { event, id } = await send({ consent: { ...said, tcf: TC_NONE } }, 'silent-key');
	assert.deepEqual(event.consent, { analytics: 'denied', ads: 'denied', personalization: 'denied', functional: 'unknown', basis: { analytics: 'tcf', ads: 'tcf', personalization: 'tcf' }, applied: 'stripped' });
	// nor in a dead letter of the same
	const letter = pageView({ consent: { ...said, tcf: TC_NONE }, properties: 7 });
	await hg.post(letter, { key: 'silent-key' });
	const found = await stored(letter.event_id, 'headgate.rejected');
	assert.deepEqual([found.consent, found.payload], [{ analytics: 'denied', ads: 'denied', personalization: 'denied' }, undefined]);
	assert.ok(id);
});

test('what cannot be read, or cannot be true, is ignored, counted by kind, and warned of', async () => {
	const before = await hg.metrics();
	const { event } = await send({ consent: { analytics: true, ads: true, tcf: 'CP\u0000', gpp: 'DB~~', us_privacy: '2', gcs: 'G9', gcd: '!', time: '9999-12-31T23:59:59Z' } }, 'silent-key', { cookie: 'hg_consent=1.0.analytics+.x; \x01=; hg_consent=' }).catch(() => ({}));
	assert.equal(event, undefined, 'an escaped NUL is refused for itself');
	const good = await send({ consent: { analytics: true, ads: true, tcf: 'CP', gpp: 'DB~~', us_privacy: '2', gcs: 'G9', gcd: '!', time: '9999-12-31T23:59:59Z' } }, 'silent-key', { cookie: 'hg_consent=1.0.analytics+.x; a; =; hg_consent=' });
	assert.deepEqual([states(good.event), good.event.consent.applied], [['granted', 'granted'], 'kept']);
	assert.deepEqual(good.event.quality.warnings.filter((w) => w.rule === 'consent_ignored').map((w) => w.path).sort(), ['/consent/gcd', '/consent/gcs', '/consent/gpp', '/consent/tcf', '/consent/time', '/consent/us_privacy']);
	const m = await hg.metrics();
	for (const statement of ['tcf', 'gpp', 'us_privacy', 'gcs', 'gcd', 'cookie', 'time']) assert.equal(m.get('headgate_consent_ignored_total', { statement }) - before.get('headgate_consent_ignored_total', { statement }), 1, statement);
});

test('consent_update: never dropped, to the topic of changes, with the ids it came with', async () => {
	for (const [key, consent] of [['silent-key', { analytics: 'denied', ads: 'denied' }], ['dropping-key', { analytics: 'denied', ads: 'denied' }], ['granted-key', { analytics: 'granted', ads: 'granted' }]]) {
		const update = { event: 'consent_update', event_id: uniqueId(), anonymous_id: 'somebody', user_id: 'u-1', context: { page: { url: 'https://shop.example/sofa?q=1', title: 'Sofa' } }, consent: { ...consent, time: new Date(Date.now() - 1000).toISOString(), version: '3', method: 'banner' }, properties: { action: 'changed', purposes: consent } };
		const answer = await hg.post(update, { key, headers: { 'user-agent': 'Mozilla/5.0 Firefox/140.0' } });
		assert.deepEqual([answer.status, answer.json.accepted, answer.json.events[0]?.applied], [200, 1, consent.ads === 'denied' ? 'reduced' : undefined], answer.text);
		const event = await stored(update.event_id, 'shop.consent');
		assert.deepEqual([states(event), event.ids.anonymous_id, event.ids.user_id, event.consent.version, event.consent.method, event.consent.time], [[consent.analytics, consent.ads], 'somebody', 'u-1', '3', 'banner', update.consent.time]);
		assert.deepEqual([event.context?.ip, event.context?.user_agent, event.context?.page?.url], [undefined, undefined, undefined]);
	}
	assert.deepEqual(hg.files('headgate.consent'), []);
});

test('the consent cookie: set by an update, believed afterwards, not when forged; a later update wins', async () => {
	const update = async (consent, headers = {}) => {
		const answer = await hg.post({ event: 'consent_update', event_id: uniqueId(), consent }, { key: 'silent-key', headers: { host: 'shop.example', ...headers } });
		assert.equal(answer.json.accepted, 1, answer.text);
		return [answer.headers['set-cookie'] ?? []].flat().find((c) => c.startsWith('hg_consent='));
	};
	const set = await update({ analytics: 'granted', ads: 'denied' });
	assert.match(set, /^hg_consent=1\.[0-9a-f]{8}\.analytics\+\.ads-\.[\w-]{22}; .*Max-Age=15552000/);
	const cookie = set.split(';')[0];
	const first = await send({}, 'silent-key', { cookie });
	assert.deepEqual([states(first.event), bases(first.event), first.event.consent.applied], [['granted', 'denied'], ['cookie', 'cookie'], 'reduced']);
	const before = (await hg.metrics()).get('headgate_consent_ignored_total', { statement: 'cookie' });
	for (const forged of [cookie.replace('ads-', 'ads+'), cookie.replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')), cookie.replace('=1.', '=1.0'), cookie.slice(0, -23)])
		assert.equal((await send({}, 'silent-key', { cookie: forged })).event.consent.applied, 'stripped', forged);
	assert.equal((await hg.metrics()).get('headgate_consent_ignored_total', { statement: 'cookie' }), before + 4);
	await hg.post([pageView(), pageView(), pageView()], { key: 'silent-key', headers: { cookie: cookie.replace('ads-', 'ads+') } });
	assert.equal((await hg.metrics()).get('headgate_consent_ignored_total', { statement: 'cookie' }), before + 5, 'read once for a request');
	// several under one name: the one that is ours counts
	assert.equal((await send({}, 'silent-key', { cookie: `hg_consent=1.0..x; ${cookie}` })).event.consent.basis.analytics, 'cookie');
	// what an undated event says and the cookie denies: the strictest; an update is of now, and leaves alone what it does not name
	assert.deepEqual(states((await send({ consent: { ads: 'granted' } }, 'silent-key', { cookie })).event), ['granted', 'denied']);
	const later = (await update({ ads: 'granted' }, { cookie })).split(';')[0];
	assert.match(later, /\.analytics\+(~[0-9a-f]+)?\.ads\+\./);
	assert.equal((await send({}, 'silent-key', { cookie: later })).event.consent.applied, 'kept');
	const withdrawn = (await update({ analytics: 'denied', ads: 'denied' }, { cookie: later })).split(';')[0];
	assert.equal((await send({}, 'silent-key', { cookie: withdrawn })).event.consent.applied, 'stripped');
	assert.equal((await send({}, 'server-key', { cookie })).event.consent.basis.analytics, 'contract', 'a server has no cookies');
});

test('events the catalog does not know, where they are kept: every purpose must be granted', async () => {
	const unknown = (consent) => ({ event: 'checkout_step', event_id: uniqueId(), consent, properties: { a: 1 } });
	const some = unknown({}), all = unknown({ personalization: true, functional: true });
	const answer = await hg.post([some, all], { key: 'keep-key' });
	assert.deepEqual(answer.json.events.map((e) => [e.index, e.applied]), [[0, 'stripped']]);
	assert.equal((await stored(some.event_id, 'headgate.unverified')).consent.applied, 'stripped');
	assert.equal((await stored(all.event_id, 'headgate.unverified')).consent.applied, 'kept');
});

test('an id for a day: without a cookie, only where a source asks and nothing is known', async () => {
	const ids = async (over, key = 'daily-key', headers = {}) => (await send(over, key, { 'user-agent': 'Agent/1', ...headers })).event.ids;
	const { daily_id: id, ...others } = await ids({ user_id: 'u-1' });
	assert.match(id, /^[0-9a-f]{32}$/);
	assert.deepEqual(others, {});
	assert.deepEqual(await ids({ anonymous_id: 'other' }), { daily_id: id });
	assert.notEqual((await ids({}, 'daily-key', { 'user-agent': 'Agent/2' })).daily_id, id);
	for (const [consent, headers] of [[{ analytics: 'denied' }, {}], [{ ads: 'denied' }, {}], [{}, { 'sec-gpc': '1' }], [{ us_privacy: '1YYN' }, {}]])
		assert.equal(await ids({ consent }, 'daily-key', headers), undefined, JSON.stringify([consent, headers]));
	assert.equal((await ids({ consent: { analytics: 'granted' } })).daily_id, undefined);
	assert.equal(await ids({}, 'silent-key'), undefined);
	assert.ok(!everything().includes('Agent/2'));
});

test('the pixel carries the strings of other tools as well', async () => {
	const id = uniqueId();
	assert.equal((await hg.get(`/v1/pixel.gif?key=silent-key&event=page_view&event_id=${id}&consent.gcs=G101&consent.gdpr=1`)).status, 200);
	ledger.counts.received++;
	ledger.counts.accepted++;
	assert.deepEqual([states(await stored(id)), bases(await stored(id))], [['granted', 'denied'], ['gcm', 'gcm']]);
});

test('a policy changes by reload', async (t) => {
	const own = await headgate(t, { config: { sources: { dev: { consent_defaults: { analytics: 'denied', ads: 'denied' } } } } });
	assert.equal((await own.post(pageView())).json.events[0].applied, 'stripped');
	own.setConfig({ sources: { dev: { consent_defaults: { analytics: 'denied', ads: 'denied' }, denied_events: 'dropped' } } });
	const reload = await own.admin('/reload', { method: 'POST', headers: { authorization: `Bearer ${own.adminToken}` } });
	assert.equal(reload.status, 200, reload.text);
	assert.equal((await own.post(pageView())).json.dropped, 1);
});

test('a purpose of the catalog that nobody can grant is told at the start', async (t) => {
	const schemas = { catalog: { dir: join(root, 'tests/consent/schemas') } };
	const own = await headgate(t, { config: schemas });
	const told = () => own.logs.filter((l) => l.event === 'purpose_not_configured').map((l) => [l.schema, l.purpose]);
	assert.deepEqual(told(), [['study/1-0-0', 'research']]);
	await own.restart({ config: { ...schemas, consent: { purposes: ['research'] } } });
	assert.deepEqual(told(), []);
});

for (const [what, config, message] of [
	['a server source must say what holds where nothing is said', { sources: { s: { kind: 'server', keys: ['k'] } } }, /sources\.s\.consent_defaults: is needed for a server source/],
	['contract is for server sources', { sources: { s: { kind: 'browser', keys: ['k'], consent_defaults: { analytics: 'contract' } } } }, /sources\.s\.consent_defaults: contract is for server sources/],
	['contract by country as well', { sources: { s: { kind: 'app', keys: ['k'], consent_country_defaults: { DE: { analytics: 'contract' } } } } }, /sources\.s\.consent_country_defaults: contract is for server sources/],
	['an id for a day is not for servers', { sources: { s: { kind: 'server', keys: ['k'], consent_defaults: { ads: false }, daily_id: true } } }, /sources\.s\.daily_id: is for browser and app sources/],
	['a country is two letters', { sources: { s: { kind: 'app', keys: ['k'], consent_country_defaults: { Germany: {} } } } }, /consent_country_defaults\.Germany: expected a country/],
	['purposes people cannot refuse are none', { consent: { purposes: ['necessary'] } }, /consent\.purposes: expected a purpose that people can refuse/],
	['a purpose is not called what another member is', { consent: { purposes: ['version'] } }, /consent\.purposes: expected another name/],
	['each purpose once', { consent: { purposes: ['ads'] } }, /consent\.purposes: expected each purpose once/],
	['opt-outs deny what is configured', { consent: { opt_out_purposes: ['marketing'] } }, /consent\.opt_out_purposes: expected a configured purpose, found/],
	['the TCF speaks of what is configured', { consent: { tcf_purposes: { marketing: [1] } } }, /consent\.tcf_purposes: expected a configured purpose/],
	['the TCF has purposes from 1 to 24', { consent: { tcf_purposes: { ads: [0] } } }, /consent\.tcf_purposes\.ads: expected numbers from 1 to 24/],
	['Google has four signals', { consent: { google: { storage: 'ads' } } }, /consent\.google: expected ad_storage, analytics_storage/],
]) {
	test(`start refused: ${what}`, async () => {
		const refused = await Headgate.start({ config, expectExit: true });
		const { code } = await refused.exit;
		assert.equal(code, 78);
		assert.match(refused.stderr, message);
		await refused.close();
	});
}

test('the books balance over all of it', async () => {
	await assertBooks(hg, { ledger });
});
