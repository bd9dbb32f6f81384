// kill -9 at a random moment under load: every event that was answered "accepted" is delivered; to files exactly once,
// to Kafka at least once. The load generator notes the id of each such event.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertBooks } from './lib/books.mjs';
import { build, headgate, sleep } from './lib/headgate.mjs';
import { Kafka } from './lib/kafka.mjs';

// Ends by itself when nobody listens any more.
function load(hg, args) {
	const acked = join(hg.home, 'acked');
	const child = spawn(join(build, 'bench/load'), ['--port', String(hg.port), '--seconds', '30', '--acked', acked, ...args.map(String)], { stdio: ['ignore', 'pipe', 'pipe'] });
	let out = '';
	child.stdout.on('data', (d) => (out += d));
	return { acked, done: new Promise((done) => child.once('close', () => done(out))) };
}
const lines = (file) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []);

function filedIds(hg) {
	const ids = [];
	const dir = join(hg.dataDir, 'events/headgate.events');
	for (const date of readdirSync(dir)) {
		for (const hour of readdirSync(join(dir, date))) {
			const text = readFileSync(join(dir, date, hour), 'utf8');
			assert.ok(text.endsWith('\n'), `${hour} ends in a complete line`);
			for (const line of text.split('\n')) if (line) ids.push(line.match(/"event_id":"([^"]+)"/)[1]);
		}
	}
	return ids;
}

// Shapes of load take turns: a steady stream, batches, and as much as it takes.
const SHAPES = [['--connections', 8, '--rate', 2000], ['--connections', 4, '--batch', 20, '--rate', 100], ['--connections', 32, '--rate', 4000], ['--connections', 2]];

async function killRounds(hg, rounds, { longestMs = 900 } = {}) {
	for (let round = 0; round < rounds; round++) {
		const running = load(hg, SHAPES[round % SHAPES.length]);
		await sleep(50 + Math.random() * (round % SHAPES.length === 3 ? 250 : longestMs));
		await hg.kill9();
		await running.done;
		await hg.restart();
		if (round === 0 || round === rounds - 1) await assertBooks(hg, { deadlineMs: 60_000 });
	}
	return lines(join(hg.home, 'acked'));
}

for (const durability of ['os', 'disk']) {
	test(`files, ${durability}: exactly once over 10 kills`, { timeout: 240_000 }, async (t) => {
		const hg = await headgate(t, { config: { durability, journal: { file_bytes: '1MiB' } } });
		const acked = await killRounds(hg, 10);
		await hg.drained(60_000);
		const ids = filedIds(hg), set = new Set(ids);
		console.error(`kill ${durability}: ${acked.length} events answered, ${ids.length} delivered`);
		assert.ok(acked.length > 1000, 'there was load');
		assert.deepEqual(acked.filter((id) => !set.has(id)).slice(0, 5), [], 'lost');
		assert.equal(ids.length, set.size, 'delivered twice');
		const m = await hg.metrics();
		assert.equal(m.get('headgate_journal_failures_total'), 0);
	});
}

test('Kafka: at least once over 5 kills', { timeout: 240_000 }, async (t) => {
	const kafka = await Kafka.start({ brokers: 1 });
	t.after(() => kafka.close());
	const hg = await headgate(t, { config: { journal: { file_bytes: '1MiB' }, kafka: { 'bootstrap.servers': kafka.bootstrap }, forward: { mode: 'at_least_once' } } });
	const acked = await killRounds(hg, 5, { longestMs: 2500 });
	await hg.drained(60_000);
	const ids = (await kafka.consume('headgate.events')).map((r) => r.headers.ce_id), set = new Set(ids);
	console.error(`kill kafka: ${acked.length} events answered, ${ids.length} records, ${ids.length - set.size} of them again`);
	assert.ok(acked.length > 1000, 'there was load');
	assert.deepEqual(acked.filter((id) => !set.has(id)).slice(0, 5), [], 'lost');
});

test('SIGTERM under load drains: exit 0, and what was answered is delivered once', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t);
	for (let round = 0; round < 3; round++) {
		const running = load(hg, SHAPES[round]);
		await sleep(300);
		assert.deepEqual(await hg.sigterm(), { code: 0, signal: null });
		await running.done;
		await hg.restart();
	}
	await hg.drained(60_000);
	const ids = filedIds(hg), set = new Set(ids);
	assert.deepEqual(lines(join(hg.home, 'acked')).filter((id) => !set.has(id)).slice(0, 5), []);
	assert.equal(ids.length, set.size);
	await assertBooks(hg);
});
