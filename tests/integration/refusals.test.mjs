// What Kafka refuses: a record by its size (quarantined, told of, and the rest goes on), a topic that is not there (waited
// for, with the reason in /status).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ledger, assertBooks } from './lib/books.mjs';
import { Headgate, pageView, waitFor } from './lib/headgate.mjs';
import { Kafka } from './lib/kafka.mjs';

let kafka;
before(async () => { kafka = await Kafka.start({ brokers: 1 }); });
after(async () => { await kafka?.close(); });

const config = (topics) => ({
	kafka: { 'bootstrap.servers': kafka.bootstrap, 'compression.codec': 'none', 'linger.ms': 50 },
	topics: { partitions: 2, ...topics },
});
const ids = (records) => records.map((r) => JSON.parse(r.value).event_id);

test('records too large for their topic are isolated; their neighbours arrive', { timeout: 120_000 }, async () => {
	await kafka.createTopic('small.events', { partitions: 2, config: { 'max.message.bytes': 4000 } });
	const hg = await Headgate.start({ config: config({ events: 'small.events', rejected: 'small.rejected' }) });
	const ledger = Ledger.watch(hg);
	try {
		const fit = Array.from({ length: 200 }, () => pageView());
		const big = Array.from({ length: 3 }, (_, i) => pageView({ context: { page: { url: `https://shop.example/${'x'.repeat(1900)}`, title: 'y'.repeat(1000), referrer: `https://a.example/${'z'.repeat(1900)}` } }, user_id: `big-${i}` }));
		const mixed = [...fit.slice(0, 80), big[0], ...fit.slice(80, 81), big[1], ...fit.slice(81), big[2]];
		const answer = await hg.post(mixed);
		assert.equal(answer.status, 200, answer.text);
		await hg.drained(60_000);
		assert.deepEqual(new Set(ids(await kafka.consume('small.events'))), new Set(fit.map((e) => e.event_id)));
		const letters = (await kafka.consume('small.rejected')).map((r) => JSON.parse(r.value));
		assert.deepEqual(letters.map((l) => [l.reason, l.event_id, l.errors[0].message]).sort(), big.map((e) => ['poison', e.event_id, 'MSG_SIZE_TOO_LARGE']).sort());
		const kept = readFileSync(join(hg.dataDir, 'quarantine/kafka.ndjson'), 'utf8').trimEnd().split('\n').map((l) => JSON.parse(l));
		assert.deepEqual(kept.map((k) => k.value.event_id).sort(), big.map((e) => e.event_id).sort());
		assert.equal(kept[0].position, kept[0].value.position);
		const m = await hg.metrics();
		assert.equal(m.get('headgate_records_total', { state: 'poisoned' }), 3);
		assert.equal(m.get('headgate_records_total', { state: 'delivered' }), 200);
		assert.equal(m.get('headgate_records_total', { state: 'accepted' }), 203);
		await assertBooks(hg, { ledger });
	} catch (e) {
		console.error(hg.stderr);
		throw e;
	} finally {
		await hg.close();
	}
});

test('a missing topic stalls, says so, and is no loss', { timeout: 120_000 }, async () => {
	const hg = await Headgate.start({ config: config({ events: 'late.events', create: false }) });
	const ledger = Ledger.watch(hg);
	try {
		const events = Array.from({ length: 20 }, () => pageView());
		assert.equal((await hg.post(events)).status, 200);
		const status = await waitFor(async () => {
			const { forwarder } = await hg.status();
			if (forwarder.state !== 'stalled') throw new Error(JSON.stringify(forwarder));
			return forwarder;
		}, { deadlineMs: 60_000, what: 'a stalled forwarder' });
		assert.match(status.reason, /late\.events|does not answer|nknown/);
		assert.equal(status.pending, 20);
		await assertBooks(hg, { ledger, atRest: false });
		assert.equal((await hg.admin('/readyz')).status, 200);
		await kafka.createTopic('late.events', { partitions: 2 });
		await hg.drained(60_000);
		assert.deepEqual(new Set(ids(await kafka.consume('late.events'))), new Set(events.map((e) => e.event_id)));
		assert.equal((await hg.status()).forwarder.state, 'running');
		await assertBooks(hg, { ledger });
	} catch (e) {
		console.error(hg.stderr);
		throw e;
	} finally {
		await hg.close();
	}
});
