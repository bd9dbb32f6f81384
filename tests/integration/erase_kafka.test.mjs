// Erasure with Kafka behind headgate: what is pending is erased and never delivered, the rest is, and consumers are told.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Headgate, binary, cleanEnv, pageView, purchase, uniqueId, waitFor } from './lib/headgate.mjs';
import { Kafka } from './lib/kafka.mjs';

let kafka, hg;
before(async () => {
	kafka = await Kafka.start({ brokers: 1 });
	hg = await Headgate.start({ config: { kafka: { 'bootstrap.servers': kafka.bootstrap }, topics: { partitions: 2 } } });
});
after(async () => {
	try {
		await hg?.close();
	} finally {
		await kafka?.close();
	}
});

const run = (...args) => new Promise((done) => {
	const child = spawn(binary, [...args, '--config', hg.configFile, '--data-dir', hg.dataDir, '--admin', `127.0.0.1:${hg.adminPort}`], { env: cleanEnv });
	let out = '', err = '';
	child.stdout.on('data', (d) => (out += d));
	child.stderr.on('data', (d) => (err += d));
	child.on('close', (code) => done({ code, out, err }));
});

const erase = (id) => run('erase', '--id', id);

test('while Kafka is away: pending records are erased and never delivered, the rest is', { timeout: 180_000 }, async () => {
	const gone = `gone-${uniqueId()}`, kept = `kept-${uniqueId()}`, sent = { [gone]: [], [kept]: [] };
	const send = async (n) => {
		for (let i = 0; i < n; i++) {
			const events = [pageView({ user_id: gone }), pageView({ user_id: kept })];
			assert.equal((await hg.post(events)).status, 200);
			for (const e of events) sent[e.user_id].push(e.event_id);
		}
	};
	await send(5);
	await hg.drained(60_000);
	const before = sent[gone].length;
	await kafka.brokers[0].stop();
	await send(40);
	assert.equal((await hg.post(purchase({ user_id: gone, properties: { value: 'many' } }))).status, 400);
	await waitFor(async () => (await hg.status()).forwarder.pending >= 81, { what: 'records pending' });
	const asked = Date.now(), { code, out, err } = await erase(`user_id=${gone}`);
	assert.equal(code, 0, err);
	assert.deepEqual(JSON.parse(out).erased.journal, { events: before + 40, dead_letters: 1, damaged_ranges: 0 });
	console.error(`erase_kafka: answered in ${Date.now() - asked} ms with the broker away`);
	await send(0);
	assert.equal((await hg.post(pageView({ user_id: kept, event_id: `${kept}-last` }))).status, 200, 'intake goes on');
	sent[kept].push(`${kept}-last`);
	await kafka.brokers[0].start();
	await hg.drained(90_000);
	const records = await kafka.consume('headgate.events'), ids = records.map((r) => JSON.parse(r.value).event_id);
	assert.deepEqual(sent[kept].filter((id) => !ids.includes(id)), [], 'lost');
	assert.deepEqual(records.filter((r) => r.key === gone).map((r) => JSON.parse(r.value).event_id).sort(), sent[gone].slice(0, before).sort(), 'only what was delivered before');
	assert.deepEqual((await kafka.consume('headgate.rejected')).filter((r) => r.value.includes(gone)), []);
	const [erasure] = await kafka.consume('headgate.erasures');
	assert.equal(erasure.key, gone);
	assert.deepEqual({ ...JSON.parse(erasure.value), requested_at: null }, { format: 1, type: 'erasure', ids: { user_id: gone }, requested_at: null });
	assert.equal(erasure.headers.ce_type, 'erasure');
	const m = await hg.metrics(), records_of = (state) => m.get('headgate_records_total', { state }), letters_of = (state) => m.get('headgate_dead_letters_total', { state });
	assert.equal(records_of('erased'), 40, 'those delivered before count as delivered');
	assert.equal(letters_of('erased'), 1);
	assert.equal(records_of('accepted'), records_of('delivered') + records_of('erased'));
	assert.equal(letters_of('accepted'), letters_of('erased'));
	assert.equal(m.get('headgate_records_total', { state: 'quarantined' }), 0);
});

test('while Kafka is there: the forwarder goes on, nothing is lost or doubled by the pause', { timeout: 120_000 }, async () => {
	const gone = `gone-${uniqueId()}`, ids = [];
	let stop = false;
	const clients = [0, 1].map(async () => {
		while (!stop) {
			const events = [pageView({ user_id: gone }), pageView({ user_id: 'somebody' })];
			assert.equal((await hg.post(events)).status, 200);
			ids.push(events[1].event_id);
		}
	});
	for (let i = 0; i < 3; i++) assert.equal((await erase(gone)).code, 0);
	stop = true;
	await Promise.all(clients);
	await hg.drained(60_000);
	const got = (await kafka.consume('headgate.events')).filter((r) => r.key === 'somebody').map((r) => JSON.parse(r.value).event_id);
	assert.deepEqual(ids.filter((id) => !new Set(got).has(id)), []);
	assert.equal(got.length, new Set(got).size, 'once each');
	const m = await hg.metrics(), of = (state) => m.get('headgate_records_total', { state });
	assert.equal(of('accepted'), of('delivered') + of('erased'));
	const audit = await run('audit');
	if (audit.code) console.error(audit.out + audit.err);
	assert.equal(audit.code, 0);
	assert.match(audit.out, /erased/, 'the audit knows why positions are missing');
});
