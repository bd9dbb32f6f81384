// Nothing arrives twice: by event id, by declared unique value, within a batch, across connections, after a restart.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Ledger, assertBooks } from './lib/books.mjs';
import { Headgate, SERVER_KEY, headgate, pageView, purchase, root, uniqueId, waitFor } from './lib/headgate.mjs';
import { freePort } from './lib/wait.mjs';

let hg;
let ledger;
before(async () => {
	hg = await Headgate.start({ config: { lanes: 4, sources: { dev: { dedup_group: 'shop' }, backend: { dedup_group: 'shop' } } } });
	ledger = Ledger.watch(hg);
});
afterEach(() => assertBooks(hg, { ledger }));
after(() => hg?.close());
const tally = (a) => [a.status, a.json?.accepted, a.json?.duplicates, a.json?.rejected];

test('a retry is answered as a duplicate, and lies in the files once', async () => {
	const event = pageView();
	assert.deepEqual(tally(await hg.post(event)), [200, 1, 0, 0]);
	const again = await hg.post(event);
	assert.deepEqual(tally(again), [200, 0, 1, 0]);
	assert.deepEqual(again.json.events, [{ index: 0, event_id: event.event_id, status: 'duplicate' }]);
	await hg.drained();
	assert.equal(hg.files().filter((f) => f.event.event_id === event.event_id).length, 1);
});

test('of two copies in one batch the second is the duplicate', async () => {
	const event = pageView();
	const answer = await hg.post([event, event]);
	assert.deepEqual(tally(answer), [200, 1, 1, 0]);
	assert.deepEqual(answer.json.events.map((e) => [e.index, e.status]), [[1, 'duplicate']]);
});

test('sent_at is not part of the fingerprint; anything else is', async () => {
	const event = pageView({ sent_at: new Date().toISOString() });
	assert.deepEqual(tally(await hg.post(event)), [200, 1, 0, 0]);
	assert.deepEqual(tally(await hg.post({ ...event, sent_at: new Date(Date.now() + 1000).toISOString() })), [200, 0, 1, 0]);
	const other = await hg.post({ ...event, properties: { changed: true } });
	assert.deepEqual(tally(other), [200, 1, 0, 0]);
	const [{ event_id, status }] = other.json.events;
	assert.equal(status, 'accepted');
	assert.notEqual(event_id, event.event_id);
	await hg.drained();
	const line = hg.files().find((f) => f.event.event_id === event_id);
	assert.ok(line.line.includes(`"client_event_id":"${event.event_id}"`), line.line);
});

test('a server source goes by id alone', async () => {
	const event = pageView();
	assert.deepEqual(tally(await hg.post(event, { key: SERVER_KEY })), [200, 1, 0, 0]);
	assert.deepEqual(tally(await hg.post({ ...event, properties: { changed: true } }, { key: SERVER_KEY })), [200, 0, 1, 0]);
});

test('a purchase is one by its order_id; from another source of the group it is a repeat', async () => {
	const first = purchase();
	const reload = { ...first, event_id: uniqueId() };
	assert.deepEqual(tally(await hg.post(first)), [200, 1, 0, 0]);
	assert.deepEqual(tally(await hg.post(reload)), [200, 0, 1, 0]);
	const server = { ...first, event_id: uniqueId() };
	assert.deepEqual(tally(await hg.post(server, { key: SERVER_KEY })), [200, 1, 0, 0]);
	await hg.drained();
	const line = hg.files().find((f) => f.event.event_id === server.event_id);
	assert.equal(line.event.quality?.repeat, true, line.line);
});

test('a rejected event leaves no key', async () => {
	const event = purchase();
	assert.equal((await hg.post({ ...event, properties: { ...event.properties, value: -1 } })).status, 400);
	assert.deepEqual(tally(await hg.post(event)), [200, 1, 0, 0]);
});

test('copies in flight at once on many connections: exactly one is accepted', async () => {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
	for (let round = 0; round < 20; round++) {
		const event = purchase();
		const answers = await Promise.all(Array.from({ length: 16 }, () => hg.post(event, { agent })));
		assert.ok(answers.every((a) => a.status === 200), answers.map((a) => a.text).join('\n'));
		assert.equal(answers.reduce((n, a) => n + a.json.accepted, 0), 1);
		assert.equal(answers.reduce((n, a) => n + a.json.duplicates, 0), 15);
	}
	agent.destroy();
});

test('what was seen stays seen over an orderly stop, a kill -9 and another number of lanes', async () => {
	const seen = Array.from({ length: 50 }, () => purchase());
	assert.deepEqual(tally(await hg.post(seen)), [200, 50, 0, 0]);
	await hg.restart();
	assert.deepEqual(tally(await hg.post(seen)), [200, 0, 50, 0]);
	const more = Array.from({ length: 50 }, () => purchase());
	assert.deepEqual(tally(await hg.post(more)), [200, 50, 0, 0]);
	await hg.kill9();
	await hg.restart({ config: { ...hg.options.config, lanes: 1 } });
	assert.deepEqual(tally(await hg.post([...seen, ...more])), [200, 0, 100, 0]);
	const again = seen.map((e) => ({ ...e, event_id: uniqueId() }));
	assert.deepEqual(tally(await hg.post(again)), [200, 0, 50, 0], 'by order_id as well');
	await hg.drained();
	const ids = hg.files().map((f) => f.event.event_id);
	assert.equal(new Set(ids).size, ids.length);
});

test('a full table forgets what expires first, counts it, and says how far back it really sees', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t, { config: { ...config, dedup: { memory_bytes: '1MiB' }, sources: { ...config.sources, dev: { dedup_window_ms: '2h' } } } });
	const early = Array.from({ length: 1000 }, () => pageView()); // of 2 hours
	const orders = Array.from({ length: 50 }, () => purchase()); // their order_id: 30 days
	assert.deepEqual(tally(await hg.post([...early.slice(0, 900), ...orders])), [200, 950, 0, 0]);
	assert.deepEqual((await hg.status()).sources.map((s) => s.dedup_window_ms === s.dedup_true_window_ms), [true, true]);
	for (let i = 0; i < 50; i++) assert.equal((await hg.post(Array.from({ length: 1000 }, () => pageView()))).status, 200);
	const { dedup, sources } = await hg.status();
	assert.ok(dedup.evicted > 10_000 && dedup.memory_bytes <= 1.5 * 1024 * 1024, JSON.stringify(dedup));
	const dev = sources.find((s) => s.name === 'dev');
	assert.equal(dev.dedup_window_ms, 7_200_000);
	assert.ok(dev.dedup_true_window_ms < 7_200_000, JSON.stringify(dev));
	assert.equal((await hg.metrics()).get('headgate_dedup_evicted_total'), dedup.evicted);
	assert.deepEqual(tally(await hg.post(orders.map((e) => ({ ...e, event_id: uniqueId() })))), [200, 0, 50, 0], 'what expires late is still known');
	await assertBooks(hg);
});

// ---- what must hold whatever happens in between ----

const server = { key: SERVER_KEY };
const again = (event, over = {}) => ({ ...event, ...over });
// Without a grace period files that are delivered go at once, and their indexes may be merged.
const config = { lanes: 1, journal: { grace_ms: 0 }, sources: { dev: { dedup_group: 'shop' }, backend: { dedup_group: 'shop' } } };

// Purchases that both sources report are one: the second is a duplicate.
function catalogThatDrops(t) {
	const dir = mkdtempSync(join(tmpdir(), 'headgate-schemas-'));
	t.after(() => rmSync(dir, { recursive: true }));
	cpSync(join(root, 'schemas'), dir, { recursive: true });
	const file = join(dir, 'events/purchase/1-0-0.json'), schema = JSON.parse(readFileSync(file, 'utf8'));
	schema['x-headgate'].unique.across = 'drop';
	writeFileSync(file, JSON.stringify(schema));
	return dir;
}

// Each start seals the file before it; eight small indexes of files that are delivered and gone become one.
const mergedFiles = (hg) => (existsSync(join(hg.dataDir, 'dedup')) ? readdirSync(join(hg.dataDir, 'dedup')) : []).filter((name) => name.startsWith('merged-'));
async function mergeIndexes(hg) {
	let before = null;
	for (let i = 0; i < 9; i++) {
		assert.deepEqual(tally(await hg.post(pageView())), [200, 1, 0, 0]);
		await hg.drained();
		before ??= mergedFiles(hg);
		await (i % 3 ? hg.restart() : hg.kill9().then(() => hg.restart()));
	}
	await waitFor(async () => {
		if (mergedFiles(hg).every((name) => before.includes(name))) throw new Error(JSON.stringify((await hg.status()).dedup));
		return true;
	}, { deadlineMs: 20_000, what: 'a merge of indexes' });
}

const between = {
	'a moment': async () => {},
	'kill -9': async (hg) => { await hg.kill9(); await hg.restart(); },
	'a restart': async (hg) => { await hg.restart(); },
	'a merge of key indexes, and kill -9': async (hg) => { await mergeIndexes(hg); await hg.kill9(); await hg.restart(); },
};

for (const [name, pass] of Object.entries(between)) {
	test(`across ${name}: the reloaded thank-you page, the browser-and-server pair, the stolen id`, { timeout: 120_000 }, async (t) => {
		const hg = await headgate(t, { config });
		const reloaded = purchase(), paired = purchase(), stolen = pageView();
		assert.deepEqual(tally(await hg.post([reloaded, paired, stolen])), [200, 3, 0, 0]);
		await pass(hg);
		const page = await hg.post(again(reloaded, { event_id: uniqueId() }));
		assert.deepEqual(tally(page), [200, 0, 1, 0], 'the same order_id under a new event_id');
		assert.equal(page.json.events[0].status, 'duplicate');
		const pair = again(paired, { event_id: uniqueId() });
		assert.deepEqual(tally(await hg.post(pair, server)), [200, 1, 0, 0]);
		assert.deepEqual(tally(await hg.post(again(pair, { event_id: uniqueId() }), server)), [200, 0, 1, 0], 'once from the server, too');
		const thief = await hg.post(again(stolen, { properties: { stolen: true } }));
		assert.deepEqual(tally(thief), [200, 1, 0, 0]);
		const kept = thief.json.events[0].event_id;
		assert.notEqual(kept, stolen.event_id);
		assert.deepEqual(tally(await hg.post(stolen)), [200, 0, 1, 0], 'the first one is as known as before');
		await pass(hg);
		assert.deepEqual(tally(await hg.post([reloaded, paired, stolen, again(stolen, { properties: { stolen: true } })])), [200, 0, 4, 0]);
		assert.deepEqual(tally(await hg.post(pair, server)), [200, 0, 1, 0]);
		await assertBooks(hg);
		const filed = hg.files();
		assert.equal(filed.filter((f) => f.event.properties.order_id === reloaded.properties.order_id).length, 1);
		const both = filed.filter((f) => f.event.properties.order_id === paired.properties.order_id);
		assert.deepEqual(both.map((f) => [f.event.source.name, f.event.quality?.repeat]), [['dev', undefined], ['backend', true]]);
		const theft = filed.filter((f) => f.event.client_event_id === stolen.event_id);
		assert.deepEqual(theft.map((f) => [f.event.event_id, f.event.properties]), [[kept, { stolen: true }]]);
		assert.equal(filed.filter((f) => f.event.event_id === stolen.event_id).length, 1);
	});

	test(`across ${name}: with "across":"drop" the second of the pair is a duplicate`, { timeout: 120_000 }, async (t) => {
		const hg = await headgate(t, { config: { ...config, catalog: { dir: catalogThatDrops(t) } } });
		const fromBrowser = purchase(), fromServer = purchase();
		assert.deepEqual(tally(await hg.post(fromBrowser)), [200, 1, 0, 0]);
		assert.deepEqual(tally(await hg.post(fromServer, server)), [200, 1, 0, 0]);
		await pass(hg);
		assert.deepEqual(tally(await hg.post(again(fromBrowser, { event_id: uniqueId() }), server)), [200, 0, 1, 0]);
		assert.deepEqual(tally(await hg.post(again(fromServer, { event_id: uniqueId() }))), [200, 0, 1, 0]);
		await assertBooks(hg);
		assert.equal(hg.files().filter((f) => f.event.event === 'purchase').length, 2);
	});

	if (!name.includes('kill')) continue; // each of these fills a disk budget first
	test(`across ${name}: what was refused with 503 is accepted once when it comes again`, { timeout: 120_000 }, async (t) => {
		const full = { ...config, journal: { grace_ms: 0, file_bytes: '1MiB', disk_budget_bytes: '8MiB' }, kafka: { 'bootstrap.servers': `127.0.0.1:${await freePort()}` } };
		const hg = await headgate(t, { config: full });
		const order = purchase();
		for (let i = 0; ; i++) {
			const filler = Array.from({ length: 50 }, () => pageView({ properties: { pad: 'x'.repeat(4000) } }));
			if ((await hg.post(filler)).status === 503 && (await hg.admin('/readyz')).status === 503) break;
			assert.ok(i < 5000, 'the budget ends');
		}
		const refused = await hg.post(order);
		assert.equal(refused.status, 503);
		assert.ok(Number(refused.headers['retry-after']) > 0);
		await hg.restart({ config: { ...config, journal: { grace_ms: 0, file_bytes: '1MiB', disk_budget_bytes: '1GiB' } } });
		assert.deepEqual(tally(await hg.post(order)), [200, 1, 0, 0]);
		await pass(hg);
		assert.deepEqual(tally(await hg.post(order)), [200, 0, 1, 0]);
		assert.deepEqual(tally(await hg.post(again(order, { event_id: uniqueId() }))), [200, 0, 1, 0]);
		await assertBooks(hg);
		assert.equal(hg.files().filter((f) => f.event.event_id === order.event_id).length, 1);
	});
}

// The file that lies ready at a start is small: a first batch that is larger goes to another one of the same name.
test('a first batch larger than the first file is recognised after each start', async (t) => {
	const hg = await headgate(t, { config: { lanes: 1, limits: { body_bytes: '4MiB' } } });
	const batch = Array.from({ length: 40 }, () => pageView({ properties: { pad: 'x'.repeat(50_000) } }));
	assert.deepEqual(tally(await hg.post(batch)), [200, 40, 0, 0]);
	for (const end of ['kill9', 'sigterm', 'sigterm']) {
		assert.deepEqual(tally(await hg.post(batch)), [200, 0, 40, 0], `before ${end}`);
		await hg[end]();
		await hg.restart();
	}
	assert.deepEqual(tally(await hg.post(batch)), [200, 0, 40, 0]);
	await hg.drained();
	assert.equal(hg.files().length, 40);
	assert.equal((await hg.status()).journal.quarantined_bytes, 0);
});
