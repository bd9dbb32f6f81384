// exactly_once against a real broker: what a read_committed consumer that knows nothing of headgate sees is each accepted
// event once, whatever happened to headgate, the broker and the connections between them.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, build, cleanEnv, headgate, pageView, purchase, sleep, waitFor } from './lib/headgate.mjs';
import { Kafka } from './lib/kafka.mjs';
import { Proxy } from './lib/proxy.mjs';

// A transactional client that is neither headgate nor librdkafka.
const { Kafka: Js, logLevel } = createRequire(new URL('../package.json', import.meta.url))('kafkajs');

let kafka, proxy;
before(async () => {
	proxy = await Proxy.start({ to: null });
	kafka = await Kafka.start({ brokers: 1, advertise: [proxy.port] });
	proxy.to = kafka.brokers[0].clientPort;
});
after(async () => {
	await kafka?.close();
	await proxy?.close();
});

const config = (prefix, more = {}) => ({
	...more,
	kafka: { 'bootstrap.servers': kafka.bootstrap, ...more.kafka },
	topics: { events: `${prefix}.events`, rejected: `${prefix}.rejected`, checkpoints: `${prefix}.checkpoints`, partitions: 3, ...more.topics },
});
// A commit is answered before its markers lie in every partition, so readers may see it a moment later.
const idsOf = async (prefix) => (await kafka.consume(`${prefix}.events`)).map((r) => r.headers.ce_id);
const settled = (prefix, count) => waitFor(async () => {
	const ids = await idsOf(prefix);
	if (ids.length < count) throw new Error(`${ids.length} of ${count}`);
	return ids;
}, { deadlineMs: 30_000, everyMs: 100, what: `${count} records in ${prefix}.events` });

test('events and checkpoints come together', async (t) => {
	const hg = await headgate(t, { config: config('plain') });
	const sent = Array.from({ length: 500 }, (_, i) => pageView({ user_id: `u-${i % 7}` }));
	for (let i = 0; i < sent.length; i += 50) assert.equal((await hg.post(sent.slice(i, i + 50))).status, 200);
	await hg.drained();
	const ids = await settled('plain', sent.length);
	assert.equal(ids.length, sent.length);
	assert.deepEqual(new Set(ids), new Set(sent.map((e) => e.event_id)));
	const { lanes, transactional_id: id } = (await hg.status()).forwarder;
	const checkpoints = await kafka.consume('plain.checkpoints');
	const last = new Map(checkpoints.map((r) => [r.key, JSON.parse(r.value)]));
	const { log_id: logId } = (await hg.status()).journal;
	assert.equal(id, `headgate-${logId}`);
	for (const { lane, epoch, counter } of lanes.filter((l) => l.counter)) {
		const { epoch: e, counter: c } = last.get(`${logId}/${lane}`);
		assert.deepEqual([e, c], [epoch, counter]);
	}
	assert.equal([...last.values()].reduce((n, c) => n + c.delivered[0], 0), sent.length, 'books in the checkpoints');
});

// { status, stdout, stderr } of a command with the configuration of a daemon. The proxy lives in this process: it must not
// wait.
const run = (hg, words) => new Promise((done) => {
	execFile(binary, [...words, '--config', hg.configFile, '--data-dir', hg.dataDir, '--admin', `127.0.0.1:${hg.adminPort}`], { env: cleanEnv }, (e, stdout, stderr) => done({ status: e ? e.code : 0, stdout, stderr }));
});
const audit = (hg) => run(hg, ['audit']);
const replay = (hg, range) => run(hg, ['journal', 'replay', ...range]);

const load = (hg, args) => {
	const acked = join(hg.home, 'acked');
	const child = spawn(join(build, 'bench/load'), ['--port', String(hg.port), '--seconds', '60', '--acked', acked, ...args.map(String)], { stdio: 'ignore' });
	return { done: new Promise((done) => child.once('close', done)) };
};
const ackedOf = (hg) => readFileSync(join(hg.home, 'acked'), 'utf8').split('\n').filter(Boolean);

test('kill -9 at random moments: each answered event once', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: config('kill', { journal: { file_bytes: '1MiB' } }) });
	for (let round = 0; round < 6; round++) {
		const running = load(hg, ['--connections', 4, '--rate', 1500]);
		await sleep(300 + Math.random() * 1500);
		await hg.kill9();
		await running.done;
		await hg.restart();
	}
	await hg.drained(60_000);
	const acked = ackedOf(hg);
	const ids = await settled('kill', acked.length), set = new Set(ids);
	assert.ok(acked.length > 1000, 'there was load');
	assert.deepEqual(acked.filter((id) => !set.has(id)).slice(0, 5), [], 'lost');
	assert.equal(ids.length, set.size, 'twice');
	const proof = await audit(hg);
	assert.equal(proof.status, 0, proof.stdout + proof.stderr);
	assert.match(proof.stdout, new RegExp(`^sound: ${ids.length} records, 0 replayed, 0 without position; 0 missing, 0 twice, 0 out of order`, 'm'));
	console.error(`exactly: ${acked.length} answered, ${ids.length} delivered over 6 kills`);
});

const events = (n, key) => Array.from({ length: n }, () => pageView({ user_id: key }));
async function send(hg, list, status = 200) {
	assert.equal((await hg.post(list)).status, status);
	return [list].flat().map((e) => e.event_id);
}
const forwarder = async (hg) => (await hg.status()).forwarder;
const halted = (hg, reason) => waitFor(async () => {
	const f = await forwarder(hg);
	if (f.state !== 'halted' || !reason.test(f.reason)) throw new Error(JSON.stringify(f));
	return (await hg.metrics()).get('headgate_forward_halted') === 1;
}, { deadlineMs: 30_000, what: 'halted' });
// Exactly those, once, and the audit agrees.
async function assertDelivered(hg, prefix, ids) {
	const got = await settled(prefix, ids.length);
	assert.deepEqual([...got].sort(), [...ids].sort());
	const proof = await audit(hg);
	assert.equal(proof.status, 0, proof.stdout + proof.stderr);
}

test('connections cut, reset and swallowed, a broker killed, in the middle of transactions', { timeout: 180_000 }, async (t) => {
	const hg = await headgate(t, { config: config('mischief', { kafka: { 'socket.timeout.ms': 2000, 'transaction.timeout.ms': 15_000 } }) });
	await send(hg, events(1, 'first'));
	await hg.drained();
	const running = load(hg, ['--connections', 4, '--rate', 800, '--seconds', 15]);
	const acts = [() => proxy.cut(), () => proxy.reset(), () => proxy.delay(100), () => proxy.reset(), () => proxy.heal(), () => proxy.blackhole(), () => proxy.heal(), () => proxy.refuse(), () => proxy.heal(), () => proxy.reset()];
	for (const act of acts) {
		await sleep(300 + Math.random() * 600);
		act();
	}
	await kafka.brokers[0].kill();
	await kafka.brokers[0].start();
	await running.done;
	await hg.drained(90_000);
	const acked = ackedOf(hg), ids = await settled('mischief', acked.length + 1), set = new Set(ids);
	assert.deepEqual(acked.filter((id) => !set.has(id)).slice(0, 5), [], 'lost');
	assert.equal(ids.length, set.size, 'twice');
	const proof = await audit(hg);
	assert.equal(proof.status, 0, proof.stdout + proof.stderr);
	const rebuilds = (await hg.metrics()).get('headgate_producer_rebuilds_total');
	console.error(`exactly: ${ids.length} events through all that, ${rebuilds} producers rebuilt`);
	assert.ok(rebuilds > 0, 'an outcome that is not known costs the producer');
});

test('4 → 1 → 4 lanes, killed in each phase', { timeout: 120_000 }, async (t) => {
	const lanes = (n) => config('lanes', { lanes: n, journal: { file_bytes: '1MiB' } });
	const hg = await headgate(t, { config: lanes(4) });
	for (const n of [1, 4, 1]) {
		const running = load(hg, ['--connections', 8, '--rate', 2000]);
		await sleep(1200);
		await hg.kill9();
		await running.done;
		await hg.restart({ config: lanes(n) });
	}
	await hg.drained(60_000);
	const acked = ackedOf(hg), ids = await settled('lanes', acked.length), set = new Set(ids);
	assert.deepEqual(acked.filter((id) => !set.has(id)).slice(0, 5), [], 'lost');
	assert.equal(ids.length, set.size, 'twice');
	assert.equal((await audit(hg)).status, 0);
});

test('a foreign transaction that is open in the checkpoint topic is waited for, not read past', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: config('foreign') });
	const ids = await send(hg, events(30, 'a'));
	await hg.drained();
	const producer = new Js({ brokers: [kafka.bootstrap], clientId: 'foreign', logLevel: logLevel.NOTHING }).producer({ transactionalId: 'foreign', maxInFlightRequests: 1, idempotent: true, transactionTimeout: 50_000 });
	await producer.connect();
	t.after(() => producer.disconnect());
	const transaction = await producer.transaction();
	await transaction.send({ topic: 'foreign.checkpoints', messages: [{ key: 'somebody/0', value: '{}' }] });
	// What is committed behind the open transaction, a plain read_committed reader does not see.
	ids.push(...(await send(hg, events(30, 'b'))));
	await hg.drained();
	await hg.kill9();
	await hg.restart();
	ids.push(...(await send(hg, events(5, 'c'))));
	const waiting = await waitFor(async () => /transaction is open/.test((await forwarder(hg)).reason), { deadlineMs: 20_000, what: 'the reason in /status' });
	assert.ok(waiting);
	await transaction.abort();
	await hg.drained(60_000);
	await assertDelivered(hg, 'foreign', ids);
});

test('a cloned directory stops forwarding and keeps accepting', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: config('clone') });
	const ids = await send(hg, events(20, 'a'));
	await hg.drained();
	await hg.kill9();
	const copy = join(hg.home, 'copy');
	cpSync(hg.dataDir, copy, { recursive: true });
	await sleep(1100); // epochs are seconds
	await hg.restart();
	ids.push(...(await send(hg, events(20, 'b'))));
	await hg.drained();
	const clone = await headgate(t, { config: config('clone'), dataDir: copy });
	await halted(clone, /cloned or restored/);
	await send(clone, events(3, 'clone'));
	// The original is not disturbed.
	ids.push(...(await send(hg, events(20, 'c'))));
	await hg.drained();
	assert.equal((await hg.metrics()).get('headgate_producer_rebuilds_total'), 0, hg.stderr);
	assert.equal((await clone.admin('/readyz')).status, 200);
	await assertDelivered(hg, 'clone', ids);
});

test('a checkpoint topic that lost what it held stops forwarding', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: config('lost') });
	const ids = await send(hg, events(20, 'a'));
	await hg.drained();
	await hg.sigterm();
	await kafka.tool('org.apache.kafka.tools.TopicCommand', ['--delete', '--topic', 'lost.checkpoints']);
	await waitFor(async () => !(await kafka.topics()).includes('lost.checkpoints'), { what: 'the topic gone' });
	await hg.restart();
	await halted(hg, /holds no checkpoint of lane/);
	ids.push(...(await send(hg, events(3, 'b'))));
	assert.equal((await idsOf('lost')).length, 20, 'nothing more');
	// The operator decides: go on from the local copy, send nothing again.
	const decided = await replay(hg, ['--from', new Date(Date.now() + 1000).toISOString()]);
	assert.deepEqual([decided.status, decided.stdout], [0, '{"replayed":0}\n'], decided.stderr);
	await hg.drained();
	await assertDelivered(hg, 'lost', ids);
	await hg.kill9();
	await hg.restart();
	ids.push(...(await send(hg, events(3, 'c'))));
	await hg.drained();
	await assertDelivered(hg, 'lost', ids);
});

test('a checkpoint topic that is not compacted: no forwarding until it is', { timeout: 120_000 }, async (t) => {
	await kafka.createTopic('policy.checkpoints', { config: { 'cleanup.policy': 'delete' } });
	const hg = await headgate(t, { config: config('policy') });
	const ids = await send(hg, events(10, 'a'));
	await halted(hg, /cleanup\.policy=delete/);
	await kafka.tool('kafka.admin.ConfigCommand', ['--alter', '--entity-type', 'topics', '--entity-name', 'policy.checkpoints', '--add-config', 'cleanup.policy=compact']);
	await hg.drained(60_000);
	await assertDelivered(hg, 'policy', ids);
	assert.equal((await hg.metrics()).get('headgate_forward_halted'), 0);
});

test('another mode, another sink: each goes on where the last one stopped', { timeout: 120_000 }, async (t) => {
	const kafkaless = { ...config('change'), kafka: undefined };
	const hg = await headgate(t, { config: kafkaless });
	const filed = await send(hg, events(10, 'a'));
	await hg.drained();
	const ids = [];
	for (const mode of ['exactly_once', 'at_least_once', 'exactly_once']) {
		await hg.restart({ config: config('change', { forward: { mode } }) });
		ids.push(...(await send(hg, events(10, mode))));
		await hg.drained();
		assert.equal((await forwarder(hg)).mode, mode);
	}
	await hg.restart({ config: kafkaless });
	filed.push(...(await send(hg, events(10, 'b'))));
	await hg.drained();
	assert.deepEqual((await settled('change', ids.length)).sort(), ids.sort());
	assert.deepEqual(hg.files('change.events').map((f) => f.event.event_id).sort(), filed.sort());
});

test('a record that Kafka refuses becomes a dead letter in the transaction of its round', { timeout: 120_000 }, async (t) => {
	await kafka.createTopic('poison.events', { partitions: 2, config: { 'max.message.bytes': '4000' } });
	const hg = await headgate(t, { config: config('poison') });
	// Text that no codec makes much smaller, next to events that fit.
	const noise = () => Array.from({ length: 6000 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join('');
	const bad = [0, 1, 2].map((i) => pageView({ user_id: `p-${i}`, properties: { noise: noise() } }));
	const good = events(60, 'good');
	const sent = [...good.slice(0, 20), bad[0], ...good.slice(20, 40), bad[1], bad[2], ...good.slice(40)];
	await send(hg, sent);
	await hg.drained(60_000);
	const m = await hg.metrics();
	assert.equal(m.get('headgate_records_total', { state: 'poisoned' }), 3);
	assert.equal(m.get('headgate_records_total', { state: 'delivered' }), 60);
	assert.deepEqual((await settled('poison', good.length)), good.map((e) => e.event_id), 'the rest, in order');
	const letters = (await kafka.consume('poison.rejected')).map((r) => JSON.parse(r.value));
	assert.deepEqual(letters.map((l) => `${l.reason} ${l.event_id}`).sort(), bad.map((e) => `poison ${e.event_id}`));
	const kept = readFileSync(join(hg.dataDir, 'quarantine/kafka.ndjson'), 'utf8').trim().split('\n').map((l) => JSON.parse(l));
	assert.deepEqual(kept.map((k) => k.value.event_id), bad.map((e) => e.event_id));
	assert.equal((await audit(hg)).status, 0, 'a dead letter stands for its record');
	await hg.restart();
	assert.equal((await hg.metrics()).get('headgate_records_total', { state: 'poisoned' }), 3, 'the books came back');
});

test('journal replay sends again what Kafka has, marked, and moves no checkpoint', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: config('replay') });
	const old = await send(hg, events(25, 'a'));
	await send(hg, purchase({ properties: { value: 'many' } }), 400); // a dead letter
	await hg.drained();
	await sleep(20);
	const from = new Date().toISOString();
	await sleep(20);
	const young = await send(hg, events(30, 'b'));
	await hg.drained();
	const before = await forwarder(hg);
	const some = await replay(hg, ['--from', from]);
	assert.deepEqual([some.status, some.stdout], [0, '{"replayed":30}\n'], some.stderr);
	const records = await waitFor(async () => {
		const all = await kafka.consume('replay.events');
		return all.length >= 85 && all;
	}, { deadlineMs: 10_000, what: 'the replayed records' });
	const again = records.filter((r) => r.headers['headgate-replay']);
	assert.deepEqual(again.map((r) => r.headers.ce_id).sort(), [...young].sort());
	const first = new Map(records.filter((r) => !r.headers['headgate-replay']).map((r) => [r.headers.ce_id, r]));
	assert.deepEqual([...first.keys()].sort(), [...old, ...young].sort());
	for (const r of again) {
		const { 'headgate-replay': mark, ...headers } = r.headers, original = first.get(headers.ce_id);
		assert.equal(mark, 'true');
		assert.deepEqual([headers, r.key, r.value], [original.headers, original.key, original.value]);
	}
	assert.deepEqual((await forwarder(hg)).lanes, before.lanes);
	// By position: one record and what follows it in its lane, up to another. By time: dead letters as well.
	const position = first.get(old[3]).headers['headgate-position'], last = first.get(old[6]).headers['headgate-position'];
	assert.equal((await replay(hg, ['--from', position, '--to', last])).stdout, '{"replayed":4}\n');
	assert.equal((await replay(hg, ['--from', '2020-01-01T00:00:00Z', '--to', from])).stdout, '{"replayed":26}\n');
	const m = await hg.metrics();
	assert.equal(m.get('headgate_forward_replayed_records_total'), 60);
	assert.equal(m.get('headgate_records_total', { state: 'delivered' }), 55, 'the books count nothing twice');
	await hg.drained();
	const proof = await audit(hg);
	assert.equal(proof.status, 0, proof.stdout);
	assert.match(proof.stdout, /^sound: 56 records, 60 replayed/m);
	assert.equal((await replay(hg, [])).status, 64);
	assert.equal((await replay(hg, ['--from', 'yesterday'])).status, 64);
	const acts = readFileSync(join(hg.dataDir, 'audit.ndjson'), 'utf8').trim().split('\n').map((l) => JSON.parse(l)).filter((l) => l.act === 'replay');
	assert.deepEqual(acts.map((a) => a.records), [30, 4, 26]);
});

test('a restored directory: the operator lets it go on with what it accepts from now on', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: config('restored') });
	const ids = await send(hg, events(10, 'a'));
	await hg.drained();
	await hg.kill9();
	const copy = join(hg.home, 'copy');
	cpSync(hg.dataDir, copy, { recursive: true });
	await sleep(1100); // epochs are seconds
	await hg.restart();
	ids.push(...(await send(hg, events(10, 'b'))));
	await hg.drained();
	await hg.kill9();
	await sleep(1100);
	const restored = await headgate(t, { config: config('restored'), dataDir: copy });
	await halted(restored, /cloned or restored/);
	ids.push(...(await send(restored, events(10, 'c'))));
	const decided = await replay(restored, ['--from', new Date(Date.now() + 1000).toISOString()]);
	assert.equal(decided.status, 0, decided.stderr);
	await restored.drained();
	await assertDelivered(restored, 'restored', ids);
});
