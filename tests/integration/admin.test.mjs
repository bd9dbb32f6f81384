// The admin listener: probes, metrics, status, reload, who may.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, pageView, root, waitFor } from './lib/headgate.mjs';

let hg;
before(async () => { hg = await Headgate.start(); });
after(() => hg?.close());
const bearer = () => ({ authorization: `Bearer ${hg.adminToken}` });
const reload = (headers = bearer()) => hg.admin('/reload', { method: 'POST', headers: { 'content-length': 0, ...headers } });

test('probes answer without a token', async () => {
	assert.equal((await hg.admin('/livez')).status, 200);
	assert.equal((await hg.admin('/readyz')).status, 200);
	assert.equal((await hg.admin('/nope')).status, 404);
	assert.equal((await hg.admin('/livez', { method: 'DELETE' })).status, 405);
});

test('metrics: every metric of the table, with its help and type', async () => {
	await hg.post([pageView(), {}]);
	const answer = await hg.admin('/metrics');
	assert.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/);
	const table = readFileSync(join(root, 'include/base/metrics.def'), 'utf8');
	for (const [, name, type] of table.matchAll(/^METRIC\(\w+, "(\w+)", (\w+),/gm)) {
		assert.ok(answer.text.includes(`# HELP ${name} `), `HELP of ${name}`);
		assert.ok(answer.text.includes(`# TYPE ${name} ${type.toLowerCase()}\n`), `TYPE of ${name}`);
	}
	for (const line of answer.text.split('\n')) if (line) assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[0-9.e+]+)$/);
	const m = await hg.metrics();
	assert.equal(m.get('headgate_events_total', { source: 'dev', event: 'page_view', verdict: 'accepted' }), 1);
	assert.equal(m.get('headgate_events_total', { source: 'dev', event: 'other', verdict: 'rejected' }), 1);
	assert.equal(m.get('headgate_requests_total', { code: 207 }), 1);
});

test('status is JSON and names version and durability', async () => {
	const status = await hg.status();
	assert.equal(status.durability, 'os');
	assert.equal(typeof status.version, 'string');
	for (const part of ['journal', 'forwarder', 'dedup', 'catalog', 'sources']) assert.ok(part in status, part);
});

test('a Host that is not ours is refused', async () => {
	assert.equal((await hg.admin('/metrics', { headers: { host: 'evil.example' } })).status, 403);
	assert.equal((await hg.admin('/metrics', { headers: { host: `localhost:${hg.adminPort}` } })).status, 200);
});

test('the token: made at the first start, 0600, asked for by every POST', async () => {
	assert.equal(statSync(join(hg.dataDir, 'admin.token')).mode & 0o777, 0o600);
	assert.equal(statSync(hg.dataDir).mode & 0o777, 0o700);
	assert.ok(hg.adminToken.length >= 32);
	assert.equal((await reload({})).status, 401);
	assert.equal((await reload({ authorization: 'Bearer wrong' })).status, 401);
	assert.equal((await reload()).status, 200);
});

test('reload applies limits and sources, all or nothing', async () => {
	hg.setConfig({ limits: { events: 2 }, sources: { second: { kind: 'app', keys: ['second-key'] } } });
	assert.equal((await hg.post(pageView(), { key: 'second-key' })).status, 401);
	assert.equal((await reload()).status, 200);
	assert.equal((await hg.post([pageView(), pageView(), pageView()])).status, 413);
	assert.equal((await hg.post(pageView(), { key: 'second-key' })).status, 200);

	hg.setConfig({ limits: { events: 'many' }, sources: { third: { kind: 'app', keys: ['third-key'] } } });
	const refused = await reload();
	assert.ok(refused.status >= 400, String(refused.status));
	assert.ok(refused.text.includes('limits.events'), refused.text);
	assert.equal((await hg.post(pageView(), { key: 'third-key' })).status, 401);
	assert.equal((await hg.post(pageView(), { key: 'second-key' })).status, 200, 'the old one stays');
	assert.ok((await hg.metrics()).get('headgate_reloads_total', { result: 'failed' }) >= 1);
});

test('SIGHUP reloads as well', async () => {
	hg.setConfig({ limits: { events: 3 } });
	hg.sighup();
	await waitFor(async () => (await hg.post([{}, {}, {}])).status === 400, { what: 'three events are let through' });
	assert.equal((await hg.post([{}, {}, {}, {}])).status, 413);
});

test('requests go on while the configuration is reloaded', async () => {
	let stop = false;
	const clients = [0, 1, 2].map(async () => {
		const statuses = new Set();
		while (!stop) statuses.add((await hg.post(pageView())).status);
		return statuses;
	});
	for (let i = 0; i < 20; i++) assert.equal((await reload()).status, 200);
	stop = true;
	for (const statuses of await Promise.all(clients)) assert.deepEqual([...statuses], [200]);
});
