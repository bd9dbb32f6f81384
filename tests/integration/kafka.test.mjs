// A real broker behind headgate: every accepted event is in Kafka, with its key, headers, timestamp and order; an outage
// of 20 s under load loses nothing and is not felt by clients.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Headgate, pageView, purchase, sleep, waitFor, SERVER_KEY } from './lib/headgate.mjs';
import { Kafka } from './lib/kafka.mjs';
import { Proxy } from './lib/proxy.mjs';

let kafka, hg;
const config = () => ({ kafka: { 'bootstrap.servers': kafka.bootstrap }, topics: { partitions: 3 }, forward: { mode: 'at_least_once' } });
before(async () => {
	kafka = await Kafka.start({ brokers: 1 });
	hg = await Headgate.start({ config: config() });
});
after(async () => {
	try {
		await hg?.close();
	} finally {
		await kafka?.close();
	}
});

// Sends one request after the other on a connection of its own; gives back the events that were accepted, in order.
async function client(target, count, make, { pauseMs = 0, until = null } = {}) {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	const accepted = [], statuses = {};
	for (let i = 0; until ? Date.now() < until : i < count; i++) {
		const batch = make(i);
		const answer = await target.post(batch, { agent });
		statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
		if (answer.status === 200) accepted.push(...[batch].flat());
		if (pauseMs) await sleep(pauseMs);
	}
	agent.destroy();
	return { accepted, statuses };
}
const consumed = (topic, count, deadlineMs = 60_000) => waitFor(async () => {
	const records = await kafka.consume(topic);
	if (new Set(records.map((r) => r.key + JSON.parse(r.value).event_id)).size < count) throw new Error(`${records.length} records in ${topic} of ${count}`);
	return records;
}, { deadlineMs, everyMs: 500, what: `${count} events in ${topic}` });

test('every accepted event once, as it lies on the wire, in order', async () => {
	const began = Date.now();
	const made = await Promise.all([0, 1, 2, 3].map((c) => client(hg, 60, (i) => {
		const one = (n) => ({ ...(n % 2 ? pageView() : purchase()), user_id: `user-${c}`, event_time: new Date().toISOString() });
		return i % 5 === 0 ? Array.from({ length: 7 }, (_, n) => one(n)) : one(i);
	})));
	const accepted = made.flatMap((m) => m.accepted);
	assert.deepEqual(made.map((m) => m.statuses), Array(4).fill({ 200: 60 }));
	const records = await consumed('headgate.events', accepted.length);
	const byId = new Map(records.map((r) => [JSON.parse(r.value).event_id, r]));
	assert.equal(records.length, accepted.length, 'once each: nothing failed on the way');
	assert.deepEqual(new Set(byId.keys()), new Set(accepted.map((e) => e.event_id)));
	for (const event of accepted) {
		const record = byId.get(event.event_id), value = JSON.parse(record.value);
		assert.equal(record.key, event.user_id);
		assert.equal(record.timestamp, Date.parse(event.event_time));
		assert.deepEqual(value.properties, event.properties);
		const { 'headgate-position': position, ...headers } = record.headers;
		assert.equal(position, value.position);
		assert.deepEqual(headers, { ce_specversion: '1.0', ce_id: event.event_id, ce_source: '/headgate/dev', ce_type: event.event, ce_time: value.event_time,
			ce_dataschema: `urn:headgate:event:${event.event}:1-0-0`, ce_partitionkey: event.user_id, 'content-type': 'application/json' });
	}
	for (const { accepted: own } of made) {
		const order = own.map((e) => byId.get(e.event_id));
		assert.equal(new Set(order.map((r) => r.partition)).size, 1, 'one key, one partition');
		for (let i = 1; i < order.length; i++) assert.ok(order[i].offset > order[i - 1].offset, 'order per connection');
	}
	await hg.drained();
	const m = await hg.metrics();
	assert.equal(m.get('headgate_records_total', { state: 'delivered' }), accepted.length);
	assert.equal(m.get('headgate_forwarded_records_total', { topic: 'headgate.events' }), accepted.length);
	console.error(`kafka: ${accepted.length} events in ${Date.now() - began} ms`);
});

test('the key falls back to anonymous_id, then to event_id; a future event_time is clamped', async () => {
	const anonymous = pageView({ anonymous_id: 'anon-7', event_time: new Date(Date.now() - 48 * 3600_000).toISOString() });
	const bare = pageView({ anonymous_id: undefined });
	assert.equal((await hg.post(anonymous)).status, 200);
	assert.equal((await hg.post(bare, { key: SERVER_KEY })).status, 200); // a browser would be given an anonymous_id
	const find = async (id) => (await kafka.consume('headgate.events')).find((r) => JSON.parse(r.value).event_id === id);
	const a = await waitFor(() => find(anonymous.event_id)), b = await waitFor(() => find(bare.event_id));
	assert.deepEqual([a.key, b.key], ['anon-7', bare.event_id]);
	assert.equal(a.timestamp, Date.parse(JSON.parse(a.value).received_at) - 24 * 3600_000, 'not older than 24 h before it was received');
});

test('refused events are in headgate.rejected, by event_id', async () => {
	const bad = purchase({ properties: { value: 'many' } });
	assert.equal((await hg.post(bad)).status, 400);
	const [record] = (await consumed('headgate.rejected', 1)).filter((r) => r.key === bad.event_id);
	const letter = JSON.parse(record.value);
	assert.equal(letter.event, 'purchase');
	assert.equal(letter.errors[0].path, '/properties/value');
});

test('topics were created as configured', async () => {
	assert.equal((await kafka.describeTopic('headgate.events')).partitions, 3);
});

test('a broker that is gone for 20 s under load: answers stay 2xx, nothing is lost', { timeout: 180_000 }, async () => {
	const until = Date.now() + 26_000;
	const clients = [0, 1, 2, 3].map((c) => client(hg, 0, () => pageView({ user_id: `outage-${c}` }), { pauseMs: 10, until }));
	await sleep(2000);
	const broker = kafka.brokers[0];
	await broker.stop();
	const down = Date.now();
	await waitFor(async () => (await hg.metrics()).get('headgate_forward_pending_records') > 0, { what: 'records pending' });
	await sleep(20_000 - (Date.now() - down));
	assert.equal((await hg.admin('/readyz')).status, 200, 'ready while Kafka is away');
	await broker.start();
	const made = await Promise.all(clients);
	for (const { statuses } of made) assert.deepEqual(Object.keys(statuses), ['200']);
	await hg.drained(60_000);
	const records = (await kafka.consume('headgate.events')).map((r) => ({ ...r, id: JSON.parse(r.value).event_id }));
	const ids = new Set(records.map((r) => r.id));
	const accepted = made.flatMap((m) => m.accepted);
	assert.deepEqual(accepted.filter((e) => !ids.has(e.event_id)).map((e) => e.event_id), [], 'lost');
	for (const { accepted: own } of made) {
		const first = new Map();
		for (const r of records) if (!first.has(r.id)) first.set(r.id, r.offset);
		for (let i = 1; i < own.length; i++) assert.ok(first.get(own[i].event_id) > first.get(own[i - 1].event_id), 'order per connection, by first arrival');
	}
	console.error(`kafka: ${accepted.length} events over the outage, ${records.length - ids.size} of them more than once`);
});

test('connections to the broker that are cut, reset and swallowed lose nothing', { timeout: 180_000 }, async () => {
	await hg.close();
	const proxy = await Proxy.start({ to: kafka.brokers[0].clientPort });
	kafka.advertised = [proxy.port];
	const broker = kafka.brokers[0];
	await broker.stop();
	broker.writeProperties();
	await broker.start();
	hg = await Headgate.start({ config: { ...config(), kafka: { 'bootstrap.servers': kafka.bootstrap, 'socket.timeout.ms': 2000, 'request.timeout.ms': 2000 } } });
	const until = Date.now() + 12_000;
	const clients = [0, 1].map((c) => client(hg, 0, () => pageView({ user_id: `proxy-${c}` }), { pauseMs: 5, until }));
	const mischief = [() => proxy.cut(), () => proxy.reset(), () => proxy.delay(300), () => proxy.delay(0), () => proxy.blackhole(), () => proxy.heal(), () => proxy.refuse(), () => proxy.heal()];
	for (const act of mischief) {
		await sleep(1200);
		act();
	}
	const made = await Promise.all(clients);
	for (const { statuses } of made) assert.deepEqual(Object.keys(statuses), ['200']);
	await hg.drained(60_000);
	kafka.advertised = null;
	await broker.stop();
	broker.writeProperties();
	await broker.start();
	const ids = new Set((await kafka.consume('headgate.events')).map((r) => JSON.parse(r.value).event_id));
	assert.deepEqual(made.flatMap((m) => m.accepted).filter((e) => !ids.has(e.event_id)), []);
	await proxy.close();
});
