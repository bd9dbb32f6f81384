// Nothing arrives twice: by event id, by declared unique value, within a batch, across connections, after a restart.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { Ledger, assertBooks } from './lib/books.mjs';
import { Headgate, SERVER_KEY, pageView, purchase, uniqueId } from './lib/headgate.mjs';

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
