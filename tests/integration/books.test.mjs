// The books after what breaks them most easily: records that a power cut took back after they were delivered, damage of
// known and of unknown kind, a sink that is away at the start.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ledger, assertBooks } from './lib/books.mjs';
import { headgate, pageView, purchase, sleep, waitFor } from './lib/headgate.mjs';
import { freePort } from './lib/wait.mjs';

const HEADER_BYTES = 8192, RECORD_BYTES = 96;
const newest = (hg, lane) => {
	const dir = join(hg.dataDir, 'journal', String(lane));
	return join(dir, readdirSync(dir).filter((f) => f.endsWith('.log')).sort().at(-1));
};
// Where the records of a journal file stand: { at, length, type }.
function records(path) {
	const bytes = readFileSync(path), found = [];
	for (let at = HEADER_BYTES; at + RECORD_BYTES <= bytes.length && bytes.readUInt32LE(at + 8);) {
		const length = (bytes.readUInt32LE(at + 8) + 7) & ~7;
		found.push({ at, length, type: bytes[at + 12], end: bytes.length });
		at += length;
	}
	return found;
}
function overwrite(path, at, length, byte) {
	const fd = openSync(path, 'r+');
	writeSync(fd, Buffer.alloc(length, byte), 0, length, at);
	closeSync(fd);
}
const nowhere = async () => ({ 'bootstrap.servers': `127.0.0.1:${await freePort()}` });
const posts = async (hg, count, make = pageView) => {
	for (let i = 0; i < count; i++) assert.ok([200, 400].includes((await hg.post(make())).status));
};

test('os: delivered, then taken back by a power cut; delivered never exceeds accepted', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t, { config: { lanes: 1 } });
	await posts(hg, 20);
	await posts(hg, 5, () => purchase({ properties: { value: -1 } }));
	await assertBooks(hg);
	await hg.kill9();
	const path = newest(hg, 0), there = records(path), from = there.at(-9).at; // 4 events and 5 dead letters
	overwrite(path, from, there.at(-1).end - from, 0);
	await hg.restart();
	let { records: books, letters } = await assertBooks(hg);
	assert.deepEqual([books.accepted, books.delivered, letters.accepted, letters.delivered], [20, 20, 5, 5]);
	const { lost_behind_events: events, lost_behind_dead_letters: deadLetters } = (await hg.status()).forwarder;
	assert.deepEqual([events, deadLetters], [4, 5]);
	await posts(hg, 7);
	await assertBooks(hg);
	await hg.kill9();
	await hg.restart();
	({ records: books, letters } = await assertBooks(hg));
	assert.deepEqual([books.accepted, books.delivered, letters.accepted], [27, 27, 5]);
});

test('damage before delivery is quarantined, by kind where the next file tells it', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t, { config: { lanes: 1, kafka: await nowhere() } });
	await posts(hg, 10);
	await posts(hg, 4, () => purchase({ properties: { value: -1 } }));
	await posts(hg, 10);
	await assertBooks(hg, { atRest: false });
	await hg.restart(); // the first file is closed, the second one's header says what stood in it
	await posts(hg, 3);
	await hg.kill9();
	const dir = join(hg.dataDir, 'journal/0'), path = join(dir, readdirSync(dir).filter((f) => f.endsWith('.log')).sort()[0]);
	const there = records(path), letter = there.filter((r) => r.type === 2)[1], event = there.filter((r) => r.type === 1)[4];
	for (const { at } of [letter, event]) overwrite(path, at + RECORD_BYTES + 4, 8, 0x58);
	delete hg.config.kafka;
	await hg.restart({ config: { lanes: 1 } });
	const { records: books, letters } = await assertBooks(hg);
	assert.deepEqual([books.accepted, books.delivered, books.quarantined], [23, 22, 1]);
	assert.deepEqual([letters.accepted, letters.delivered, letters.quarantined], [4, 3, 1]);
	await hg.restart();
	await assertBooks(hg);
});

test('a start while the sink is away: what is pending and how old it is are known at once', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t, { config: { lanes: 2 } });
	const ledger = Ledger.watch(hg);
	await posts(hg, 30);
	await assertBooks(hg, { ledger });
	await hg.restart({ config: { lanes: 2, kafka: await nowhere() } });
	await posts(hg, 4);
	const since = Date.now();
	await assertBooks(hg, { ledger, atRest: false });
	await sleep(2100); // the age to be seen, not a condition
	await hg.kill9();
	await hg.restart();
	const { records: books } = await assertBooks(hg, { atRest: false });
	assert.deepEqual([books.accepted, books.delivered, books.pending], [34, 30, 4]);
	const age = await waitFor(async () => (await hg.metrics()).get('headgate_forward_oldest_undelivered_seconds'), { what: 'an age', deadlineMs: 1500 });
	assert.ok(age >= 2 && age <= (Date.now() - since) / 1000 + 1, `${age} s`);
});

test('more sources than there are series: those counted have one each, and the books theirs', { timeout: 60_000 }, async (t) => {
	const sources = Object.fromEntries(Array.from({ length: 450 }, (_, i) => [`shop${i}`, { kind: 'app', keys: [`key${i}`] }]));
	const hg = await headgate(t, { config: { sources } });
	const ledger = Ledger.watch(hg);
	await posts(hg, 3);
	for (const key of ['key0', 'key449']) for (const ev of [pageView(), purchase({ properties: { value: -1 } })]) await hg.post(ev, { key });
	const { m, records, letters } = await assertBooks(hg, { ledger });
	assert.deepEqual([records.accepted, records.delivered, letters.accepted, letters.delivered], [5, 5, 2, 2]);
	assert.equal(m.get('headgate_events_total', { source: 'shop449', event: 'page_view', verdict: 'accepted' }), 1);
	assert.ok(!m.text.includes('(overflow)'));
});
