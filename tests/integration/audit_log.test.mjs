// The audit log: what operators and starts did, one line each, on disk before it is answered.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { headgate, pageView } from './lib/headgate.mjs';

const lines = (hg) => readFileSync(join(hg.dataDir, 'audit.ndjson'), 'utf8').trim().split('\n').filter(Boolean).map((l) => JSON.parse(l));

test('reloads and recoveries stand in the audit log, a clean start does not', async (t) => {
	const hg = await headgate(t);
	assert.equal((await hg.post(pageView())).status, 200);
	assert.deepEqual(lines(hg), []);
	const reload = () => hg.admin('/reload', { method: 'POST', headers: { 'content-length': 0, authorization: `Bearer ${hg.adminToken}` } });
	assert.equal((await reload()).status, 200);
	hg.setConfig({ limits: { events: 'many' } });
	assert.equal((await reload()).status, 422);
	const [good, bad, ...more] = lines(hg);
	assert.deepEqual([good.act, good.ok, bad.act, bad.ok, more.length], ['reload', true, 'reload', false, 0]);
	assert.match(bad.error, /limits\.events/);
	assert.match(good.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
	assert.equal(statSync(join(hg.dataDir, 'audit.ndjson')).mode & 0o777, 0o600);
	hg.setConfig({});
	await hg.restart();
	assert.equal(lines(hg).length, 2, 'a stop in order needs no recovery');
	await hg.kill9();
	await hg.restart();
	const last = lines(hg).at(-1);
	assert.equal(last.act, 'recovery');
	assert.equal(typeof last.epoch, 'number');
});
