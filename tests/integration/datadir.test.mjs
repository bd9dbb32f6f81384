// What becomes of a data directory that was wiped or put back from a copy, and of a clock that jumps: no position is used
// twice, nothing new is taken for old. (A cloned one beside its Kafka: kafka's own tests.)
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Fault, sanitized } from './lib/fault.mjs';
import { Headgate, binary, cleanEnv, headgate, pageView, waitFor } from './lib/headgate.mjs';

const HOUR_MS = 3_600_000;
const accept = async (hg, events) => {
	const answer = await hg.post(events);
	assert.equal(answer.status, 200, answer.text);
	return answer.json;
};
const positions = (hg) => hg.files().map((f) => f.event.position);
const pages = (n) => Array.from({ length: n }, () => pageView());

test('wiped: a new log, with a new id; the same events are new again', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t);
	const events = pages(5);
	await accept(hg, events);
	await hg.drained();
	const old = { id: (await hg.status()).journal.log_id, positions: positions(hg) };
	await hg.sigterm();
	rmSync(hg.dataDir, { recursive: true });
	await hg.restart();
	assert.notEqual((await hg.status()).journal.log_id, old.id);
	assert.equal((await accept(hg, events)).accepted, 5);
	await hg.drained();
	assert.equal(positions(hg).length, 5);
	assert.ok(!positions(hg).some((p) => old.positions.includes(p)));
});

test('a folder that was there and open is closed to others; one that is shared is not, and the log says so', { timeout: 60_000 }, async (t) => {
	const dataDir = mkdtempSync(join(tmpdir(), 'headgate-open-')), mode = () => statSync(dataDir).mode & 0o7777;
	t.after(() => rmSync(dataDir, { recursive: true }));
	chmodSync(dataDir, 0o755);
	const hg = await headgate(t, { dataDir });
	assert.equal(mode(), 0o700);
	assert.equal(hg.logs.find((l) => l.event === 'data_dir_closed').was, '0755');
	chmodSync(dataDir, 0o1777);
	await hg.restart();
	assert.equal(mode(), 0o1777);
	assert.equal(hg.logs.find((l) => l.event === 'data_dir_open').mode, '01777');
});

test('journal files without their meta: the start is refused and says what to do', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t);
	await accept(hg, pages(5));
	await hg.sigterm();
	rmSync(join(hg.dataDir, 'meta'));
	await assert.rejects(hg.restart(), /exit 65[^]*Restore .*meta from a backup, or move/);
	rmSync(join(hg.dataDir, 'journal'), { recursive: true });
	await hg.restart();
	await accept(hg, pages(1));
});

test('restored from a copy: what is new is delivered under positions never used before', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t);
	await accept(hg, pages(5));
	await hg.drained();
	await hg.sigterm();
	const copy = join(hg.home, 'copy');
	cpSync(hg.dataDir, copy, { recursive: true });
	await hg.restart();
	const lost = pages(7); // came in after the copy was made
	await accept(hg, lost);
	await hg.drained();
	const before = positions(hg), { epoch } = (await hg.status()).journal;
	await hg.sigterm();
	rmSync(hg.dataDir, { recursive: true });
	cpSync(copy, hg.dataDir, { recursive: true });
	// Epochs are seconds: putting a copy back takes longer than that, here too.
	await waitFor(() => Date.now() / 1000 >= epoch + 1, { deadlineMs: 10_000, what: 'the next second' });
	await hg.restart();
	const { accepted } = await accept(hg, [...lost, ...pages(4)]); // of the lost ones this directory knows nothing
	assert.equal(accepted, 11);
	await hg.drained();
	const now = positions(hg);
	assert.equal(now.length, 5 + 11);
	assert.equal(new Set(now).size, now.length);
	assert.ok(!now.slice(5).some((p) => before.includes(p)), 'a position is never used twice');
	assert.deepEqual(readdirSync(join(hg.dataDir, 'quarantine')), []);
});

test('the wall clock jumps back an hour, and forth: order, retries and deliveries stay right', { timeout: 60_000, skip: sanitized() && 'sanitized build' }, async (t) => {
	const hg = await Headgate.start({ config: { lanes: 1 } });
	const fault = new Fault(hg.home, hg.dataDir);
	t.after(async () => { fault.close(); await hg.close(); });
	await hg.restart({ env: fault.env() });
	const all = [], epochs = [];
	for (const clock_ms of [0, -HOUR_MS, -HOUR_MS, 0, HOUR_MS, -HOUR_MS]) {
		fault.reset({ clock_ms });
		if (epochs.length % 2) await hg.restart({ env: fault.env() }); // some jumps happen while it runs
		epochs.push((await hg.status()).journal.epoch);
		const events = pages(3);
		assert.equal((await accept(hg, events)).accepted, 3);
		assert.equal((await accept(hg, [...events, ...all])).duplicates, 3 + all.length, 'retries are recognised');
		all.push(...events);
		assert.equal((await hg.admin('/readyz')).status, 200);
	}
	await hg.drained();
	assert.deepEqual(epochs, [...epochs].sort((a, b) => a - b), 'epochs only grow');
	const ids = hg.files().map((f) => f.event.event_id);
	assert.deepEqual([...ids].sort(), all.map((e) => e.event_id).sort(), 'each once');
	assert.equal(new Set(positions(hg)).size, ids.length);
});

test('the wall clock leaps ahead by 40 days: nothing is deleted and no retry is new', { timeout: 60_000, skip: sanitized() && 'sanitized build' }, async (t) => {
	const hg = await Headgate.start({ config: { lanes: 1, journal: { file_bytes: '256KiB' } } });
	const fault = new Fault(hg.home, hg.dataDir);
	t.after(async () => { fault.close(); await hg.close(); });
	await hg.restart({ env: fault.env() });
	const events = Array.from({ length: 8 }, () => pageView({ properties: { pad: 'x'.repeat(60_000) } }));
	for (const event of events) await accept(hg, [event]);
	await hg.drained();
	const held = () => ['events', 'journal', 'quarantine'].flatMap((dir) => readdirSync(join(hg.dataDir, dir), { recursive: true }).sort());
	const before = await waitFor(async () => (await hg.status()).journal.grace_files > 0 && held(), { what: 'a grace copy' });
	fault.reset({ clock_ms: 40 * 24 * HOUR_MS });
	await waitFor(() => hg.logs.find((l) => l.event === 'clock_leapt'), { what: 'the leap is seen' });
	await new Promise((resolve) => setTimeout(resolve, 3000)); // an hour that is over is closed, and the files looked through, at once
	assert.deepEqual(held(), before);
	assert.equal((await accept(hg, events)).duplicates, events.length);
	const fresh = pages(1);
	assert.equal((await accept(hg, fresh)).accepted, 1);
	assert.equal((await accept(hg, fresh)).duplicates, 1);
	fault.reset({ clock_ms: 0 });
	assert.equal((await accept(hg, [...events, ...fresh])).duplicates, events.length + 1);
	await hg.drained();
	assert.equal(positions(hg).length, events.length + 1);
});

test('what the sink has is kept for its grace, over a restart, and can be exported; then it goes', { timeout: 60_000 }, async (t) => {
	const config = (grace_ms) => ({ lanes: 1, journal: { file_bytes: '256KiB', grace_ms } });
	const hg = await headgate(t, { config: config('1h') });
	const exported = () => execFileSync(binary, ['journal', 'export', '--data-dir', hg.dataDir], { env: cleanEnv, maxBuffer: 2 ** 26 }).toString().split('\n').filter(Boolean).map((l) => JSON.parse(l));
	const events = Array.from({ length: 40 }, () => pageView({ properties: { pad: 'x'.repeat(30_000) } }));
	for (let i = 0; i < events.length; i += 4) await accept(hg, events.slice(i, i + 4));
	await hg.drained();
	const kept = await waitFor(async () => { const { journal } = await hg.status(); return journal.grace_files >= 4 && journal.grace_files + 1 === journal.files && journal; }, { what: 'grace copies' });
	assert.ok(kept.grace_bytes > 0 && kept.grace_bytes < kept.disk_bytes);
	assert.deepEqual(exported().map((r) => r.value.event_id), events.map((e) => e.event_id));
	await hg.restart();
	await waitFor(async () => (await hg.status()).journal.grace_files >= kept.grace_files, { what: 'the copies are known again' });
	assert.equal(exported().length, events.length);
	await hg.restart({ config: config('1ms') });
	await waitFor(async () => (await hg.status()).journal.files === 1, { what: 'the copies are gone' });
	assert.equal((await hg.status()).journal.accepted_events, events.length);
	assert.equal((await accept(hg, events.slice(0, 3))).duplicates, 3, 'their keys are not');
});
