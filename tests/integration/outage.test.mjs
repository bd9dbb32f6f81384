// Kafka away for good and the disk budget used up: 503 with Retry-After before the disk is full, /readyz red, and what
// was answered 200 is delivered when the budget is raised and the sink is back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger, assertBooks } from './lib/books.mjs';
import { headgate, pageView } from './lib/headgate.mjs';
import { freePort } from './lib/wait.mjs';

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
