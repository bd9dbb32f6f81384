// Kafka away for good and the disk budget used up: 503 with Retry-After before the disk is full, /readyz red, and what
// was answered 200 is delivered when the budget is raised and the sink is back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger, assertBooks } from './lib/books.mjs';
import { readFileSync } from 'node:fs';
import { headgate, pageView, waitFor } from './lib/headgate.mjs';
import { Kafka } from './lib/kafka.mjs';
import { Proxy } from './lib/proxy.mjs';
import { freePort } from './lib/wait.mjs';

const rssMiB = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m)[1]) / 1024;

test('no headroom: 503 + Retry-After, never a silent loss', { timeout: 120_000 }, async (t) => {
	const nowhere = { 'bootstrap.servers': `127.0.0.1:${await freePort()}` };
	const hg = await headgate(t, { config: { lanes: 1, journal: { file_bytes: '1MiB', disk_budget_bytes: '8MiB' }, kafka: nowhere } });
	const ledger = Ledger.watch(hg), accepted = [];
	let answer;
	for (let i = 0; i < 5000; i++) {
		const batch = Array.from({ length: 20 }, () => pageView({ properties: { pad: 'x'.repeat(1000) } }));
		answer = await hg.post(batch);
		/* a lane may also ask for patience while its next file is being made: that passes */
		if (answer.status === 503 && (await hg.admin('/readyz')).status === 503) break;
		if (answer.status === 503) continue;
		assert.equal(answer.status, 200);
		accepted.push(...batch.map((e) => e.event_id));
	}
	assert.equal(answer.status, 503, `the budget ends; ${accepted.length} accepted, ${JSON.stringify(await hg.status())}`);
	assert.ok(Number(answer.headers['retry-after']) > 0);
	assert.ok(accepted.length > 1000, 'but not before it was used');
	assert.equal((await hg.admin('/readyz')).status, 503);
	assert.equal((await hg.admin('/livez')).status, 200);
	const m = await hg.metrics();
	assert.ok(m.get('headgate_journal_disk_bytes') <= m.get('headgate_journal_disk_budget_bytes'), 'within the budget');
	const { records } = await assertBooks(hg, { ledger, atRest: false });
	assert.equal(records.pending, accepted.length);

	await hg.restart({ config: { lanes: 1, journal: { file_bytes: '1MiB', disk_budget_bytes: '256MiB' } } });
	await hg.drained(30_000);
	const ids = hg.files().map((f) => f.event.event_id);
	assert.deepEqual(new Set(ids), new Set(accepted));
	assert.equal(ids.length, accepted.length);
	await assertBooks(hg);
	assert.equal((await hg.admin('/readyz')).status, 200);
});

// Disk, memory and lag stay bounded while nobody takes anything; when Kafka comes, all of it drains without a hand, what
// the sink has gives way to new events although it would be kept for a day, and intake goes on.
test('a sink that stalls until the budget is used up, then drains: /readyz follows by itself', { timeout: 240_000 }, async (t) => {
	const proxy = await Proxy.start({ to: await freePort() });
	t.after(() => proxy.close());
	const hg = await headgate(t, { config: { lanes: 1, journal: { file_bytes: '1MiB', disk_budget_bytes: '8MiB', grace_ms: '24h' }, kafka: { 'bootstrap.servers': `127.0.0.1:${proxy.port}` } } });
	const accepted = [];
	const post = async () => {
		const batch = Array.from({ length: 20 }, () => pageView({ properties: { pad: 'x'.repeat(1000) } }));
		const answer = await hg.post(batch);
		if (answer.status === 200) accepted.push(...batch.map((e) => e.event_id));
		else assert.ok(answer.status === 503 && answer.headers['retry-after'], `${answer.status} ${answer.text}`);
		return answer.status;
	};
	const isReady = async () => (await hg.admin('/readyz')).status === 200;
	const fill = () => waitFor(async () => (await post()) === 503 && !(await isReady()), { deadlineMs: 60_000, everyMs: 0, what: 'no headroom' });
	await fill();
	const full = accepted.length, rss = rssMiB(hg.pid);
	for (let i = 0; i < 200; i++) await post();
	assert.ok(accepted.length - full < 200, 'no more is taken');
	const status = await hg.status(), m = await hg.metrics();
	assert.ok(status.journal.disk_bytes <= status.journal.budget_bytes, 'disk is bounded');
	assert.equal(m.get('headgate_forward_pending_records'), accepted.length, 'lag is what was accepted, no more');
	assert.ok(rssMiB(hg.pid) - rss < 32, `memory is bounded: ${rss} to ${rssMiB(hg.pid)} MiB`);

	const kafka = await Kafka.start({ brokers: 1, advertise: [proxy.port] });
	t.after(() => kafka.close());
	proxy.to = kafka.brokers[0].clientPort;
	await waitFor(isReady, { deadlineMs: 90_000, what: '/readyz green' });
	for (let i = 0; i < 20; i++) await waitFor(async () => (await post()) === 200, { deadlineMs: 20_000, what: 'intake' });
	await hg.drained(60_000);
	const ids = (await kafka.consume('headgate.events')).map((r) => JSON.parse(r.value).event_id), seen = new Set(ids);
	console.error(`outage: ${full} events accepted within 8 MiB, ${accepted.length} in all, ${ids.length} records`);
	assert.deepEqual(accepted.filter((id) => !seen.has(id)), [], 'lost');
	assert.equal(seen.size, accepted.length, 'nothing invented');
	const after = (await hg.status()).journal;
	assert.ok(after.grace_bytes <= after.budget_bytes / 4 + 2 ** 20, `copies keep to their quarter: ${after.grace_bytes}`);
});
