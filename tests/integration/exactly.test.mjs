// exactly_once against a real broker: what a read_committed consumer that knows nothing of headgate sees is each accepted
// event once, whatever happened to headgate, the broker and the connections between them.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, build, cleanEnv, headgate, pageView, sleep, waitFor } from './lib/headgate.mjs';
import { Kafka } from './lib/kafka.mjs';

let kafka;
before(async () => { kafka = await Kafka.start({ brokers: 1 }); });
after(() => kafka?.close());

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
	const { lanes } = (await hg.status()).forwarder;
	const checkpoints = await kafka.consume('plain.checkpoints');
	const last = new Map(checkpoints.map((r) => [r.key, JSON.parse(r.value)]));
	const { log_id: logId } = (await hg.status()).journal;
	for (const { lane, epoch, counter } of lanes.filter((l) => l.counter)) {
		const { epoch: e, counter: c } = last.get(`${logId}/${lane}`);
		assert.deepEqual([e, c], [epoch, counter]);
	}
	assert.equal([...last.values()].reduce((n, c) => n + c.delivered[0], 0), sent.length, 'books in the checkpoints');
});

// { status, stdout, stderr } of `headgate audit` with the configuration of a daemon.
const audit = (hg, args = []) => spawnSync(binary, ['audit', '--config', hg.configFile, '--data-dir', hg.dataDir, ...args], { encoding: 'utf8', env: cleanEnv });

const load = (hg, args) => {
	const acked = join(hg.home, 'acked');
	const child = spawn(join(build, 'bench/load'), ['--port', String(hg.port), '--seconds', '60', '--acked', acked, ...args.map(String)], { stdio: 'ignore' });
	return { stop: () => child.kill('SIGTERM'), done: new Promise((done) => child.once('close', done)) };
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
	const proof = audit(hg);
	assert.equal(proof.status, 0, proof.stdout + proof.stderr);
	assert.match(proof.stdout, new RegExp(`^sound: ${ids.length} records, 0 replayed, 0 without position; 0 missing, 0 twice, 0 out of order`, 'm'));
	console.error(`exactly: ${acked.length} answered, ${ids.length} delivered over 6 kills`);
});
