// What ages goes by itself: event files, dead letters, quarantine, full files of the audit log, each by its own key.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { headgate, pageView, waitFor } from './lib/headgate.mjs';
import { freePort } from './lib/wait.mjs';

const DAY = 86400_000;
const day = (ago) => new Date(Date.now() - ago * DAY).toISOString().slice(0, 10);
function put(hg, name, text, ageDays = 0) {
	const path = join(hg.dataDir, name), when = new Date(Date.now() - ageDays * DAY);
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, text);
	utimesSync(path, when, when);
	return path;
}

// The walk of a start comes within moments; later ones each minute.
async function aged(hg, gone, kept) {
	await waitFor(() => gone.every((path) => !existsSync(path)), { what: `gone: ${gone.filter((p) => existsSync(p))}` });
	assert.deepEqual(kept.filter((path) => !existsSync(path)), [], 'kept');
}

test('defaults: 30 days for event files, dead letters and quarantine', async (t) => {
	const hg = await headgate(t);
	assert.equal((await hg.post([pageView(), {}])).status, 207);
	await hg.drained();
	await hg.sigterm();
	const file = (topic, ago) => put(hg, `events/${topic}/${day(ago)}/08.ndjson`, '{"event_id":"x"}\n');
	const gone = [file('headgate.events', 32), file('headgate.rejected', 32), put(hg, 'quarantine/0-old.bad', 'x', 31), put(hg, 'audit-2020-01-01T00-00-00.000Z.ndjson', '{}\n', 401)];
	const kept = [file('headgate.events', 29), file('headgate.rejected', 29), put(hg, 'quarantine/0-new.bad', 'x', 29), put(hg, 'audit-2026-01-01T00-00-00.000Z.ndjson', '{}\n', 399), join(hg.dataDir, 'audit.ndjson')];
	const line = (at) => `{"position":"p","topic":"t","key":"k","error":"E","at":"${at}T08:00:00.000Z","value":{"format":1,"event_id":"e"}}\n`;
	const refused = put(hg, 'quarantine/kafka.ndjson', line(day(2)));
	await hg.restart();
	await aged(hg, gone, kept);
	assert.equal(readFileSync(await waitFor(() => [join(hg.dataDir, `quarantine/kafka-${day(2)}-1.ndjson`)].find(existsSync)), 'utf8'), line(day(2)), 'set aside by day, so that it can age');
	assert.ok(!existsSync(refused));
	assert.equal((await hg.delivered(1)).length >= 1, true);
});

test('each by its own key, 0 keeps for ever; with Kafka the files of an earlier sink age as well', async (t) => {
	const config = { files: { retention_ms: '2d', dead_letter_retention_ms: 0 }, quarantine: { retention_ms: '1h' }, kafka: { 'bootstrap.servers': `127.0.0.1:${await freePort()}` } };
	const hg = await headgate(t, { config });
	await hg.sigterm();
	const gone = [put(hg, `events/headgate.events/${day(4)}/08.ndjson.gz`, 'x'), put(hg, 'quarantine/0-old.bad', 'x', 0.1)];
	const kept = [put(hg, `events/headgate.events/${day(1)}/08.ndjson`, 'x'), put(hg, `events/headgate.rejected/${day(400)}/08.ndjson`, 'x'), put(hg, 'quarantine/0-new.bad', 'x')];
	await hg.restart();
	await aged(hg, gone, kept);
});
