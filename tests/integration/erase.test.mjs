// Erasure, access and suppression: what is held of a person is found and erased in every store, through the daemon and on
// the stopped directory; nobody else's records are touched, and no byte of the person stays behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { SERVER_KEY, binary, cleanEnv, headgate, pageView, purchase, sleep, uniqueId, waitFor } from './lib/headgate.mjs';

const run = (hg, ...args) => new Promise((done) => { // the command line, beside or without the daemon
	const child = spawn(binary, [...args, '--config', hg.configFile, '--data-dir', hg.dataDir, '--admin', `127.0.0.1:${hg.adminPort}`], { env: cleanEnv });
	let out = '', err = '';
	child.stdout.on('data', (d) => (out += d));
	child.stderr.on('data', (d) => (err += d));
	child.on('close', (code) => done({ code, out, err }));
});
const find = async (hg, id) => {
	const { code, out, err } = await run(hg, 'find', '--id', id);
	assert.equal(code, 0, err);
	return out.split('\n').filter(Boolean).map((l) => JSON.parse(l));
};
const erase = async (hg, id, ...more) => {
	const { code, out, err } = await run(hg, 'erase', '--id', id, ...more);
	assert.equal(code, 0, err);
	return JSON.parse(out);
};
const stores = (found) => [...new Set(found.filter((f) => f.record?.type !== 'erasure').map((f) => f.store))].sort();
const audit = (hg) => readFileSync(join(hg.dataDir, 'audit.ndjson'), 'utf8').trim().split('\n').filter(Boolean).map((l) => JSON.parse(l));

// Every file below the data directory that holds the text: as it lies there, and inflated. `where` says what stands around.
function grep(hg, text) {
	const hits = [];
	const look = (path, bytes) => {
		for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1))
			hits.push({ path: path.slice(hg.dataDir.length + 1), around: bytes.subarray(Math.max(0, at - 200), at + 200).toString('latin1') });
	};
	const walk = (dir) => {
		for (const entry of readdirSync(dir, { withFileTypes: true })) {
			const path = join(dir, entry.name);
			if (entry.isDirectory()) walk(path);
			else {
				let bytes;
				try { bytes = readFileSync(path); } catch (e) { if (e.code === 'ENOENT') continue; throw e; } // renamed meanwhile
				look(path, bytes);
				if (path.endsWith('.gz')) look(path, gunzipSync(bytes));
			}
		}
	};
	walk(hg.dataDir);
	return hits;
}
// The record for consumers names the id, by its purpose; nothing else may.
const assertGone = (hg, ...texts) => {
	for (const text of texts)
		assert.deepEqual(grep(hg, text).filter((h) => !/"type":"erasure"|headgate\.erasures/.test(h.around)).map((h) => h.path), [], `"${text}" is still held`);
};
const fileIds = (hg, topic = 'headgate.events') => {
	const dir = join(hg.dataDir, 'events', topic), ids = [];
	for (const date of existsSync(dir) ? readdirSync(dir) : [])
		for (const hour of readdirSync(join(dir, date))) {
			const bytes = readFileSync(join(dir, date, hour));
			for (const line of (hour.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().split('\n')) if (line) ids.push(JSON.parse(line).event_id);
		}
	return ids;
};
async function books(hg) {
	await hg.drained(30_000);
	const m = await hg.metrics();
	for (const name of ['headgate_records_total', 'headgate_dead_letters_total']) {
		const of = (state) => m.get(name, { state });
		assert.equal(of('accepted'), of('delivered') + of('pending') + of('poisoned') + of('erased') + of('quarantined'), name);
	}
	return m;
}

test('each kind of id is found and erased in journal, event files and dead letters; others stay', async (t) => {
	const hg = await headgate(t, { config: { lanes: 2 } });
	const others = [];
	const kinds = {
		user_id: (v) => ({ user_id: v }), anonymous_id: (v) => ({ anonymous_id: v }), session_id: (v) => ({ session_id: v }), device_id: (v) => ({ device_id: v }),
		cookie_id: (v) => ({ ids: { cookie_id: v } }), advertising_id: (v) => ({ ids: { advertising_id: v } }), crm: (v) => ({ ids: { crm: v } }), event_id: (v) => ({ event_id: v }),
	};
	for (const [kind, ids] of Object.entries(kinds)) {
		const value = `person-${kind}-${uniqueId()}`, marker = `marker-${kind}-${uniqueId()}`;
		const key = kind === 'cookie_id' ? SERVER_KEY : 'dev'; // of a browser it is what its cookie says
		const other = pageView({ anonymous_id: `other-${kind}`, user_id: `not-${value.slice(1)}` });
		assert.equal((await hg.post([pageView({ context: { page: { url: `https://shop.example/${marker}`, title: marker } }, ...ids(value) }), other], { key })).status, 200);
		assert.equal((await hg.post(purchase({ properties: { value: 'many', coupon: marker }, ...(kind === 'event_id' ? { event_id: value } : ids(value)) }), { key })).status, 400);
		others.push(other.event_id);
		await hg.drained();
		const found = await find(hg, kind === 'user_id' ? value : `${kind}=${value}`);
		assert.deepEqual(stores(found), ['files', 'journal'], kind);
		assert.deepEqual([...new Set(found.map((f) => f.kind))].sort(), ['dead_letter', 'event'], kind);
		assert.ok(found.every((f) => JSON.stringify(f.record).includes(value) && f.file), kind);
		assert.deepEqual(await find(hg, `group_id=${value}`), [], 'under another name it is not found');
		const done = await erase(hg, `${kind}=${value}`);
		assert.deepEqual([done.erased.journal, done.erased.files.lines], [{ events: 1, dead_letters: 1, damaged_ranges: 0 }, 2], kind);
		assertGone(hg, value, marker);
		await hg.drained();
		const left = await find(hg, value);
		assert.ok(left.length > 0 && left.every((f) => f.record.type === 'erasure'), 'what is left is the record for consumers');
		assert.deepEqual(left[0].record.ids, { [kind]: value });
	}
	assert.deepEqual(fileIds(hg).sort(), others.sort());
	const erasures = hg.files('headgate.erasures').map((f) => f.event);
	assert.equal(erasures.length, Object.keys(kinds).length);
	for (const e of erasures) assert.deepEqual(Object.keys(e), ['format', 'type', 'ids', 'requested_at']);
	await books(hg);
	await hg.sigterm();
	const printed = await run(hg, 'journal', 'cat');
	assert.equal(printed.code, 0, printed.err);
	assert.equal(printed.out.match(/"burnt":false,"erased":true/g).length, 2 * erasures.length, 'a gap for each');
	const exported = await run(hg, 'journal', 'export');
	assert.equal(exported.out.match(/"reason":"erased"/g).length, 2 * erasures.length);
	assert.equal((await run(hg, 'journal', 'verify')).code, 0, 'and the files are sound');
	const acts = audit(hg);
	assert.equal(acts.filter((a) => a.act === 'erase' && a.ok).length, erasures.length);
	assert.ok(acts.some((a) => a.act === 'find') && !JSON.stringify(acts).includes('person-'), 'ids stand there as hashes only');
});

test('escaped and numeric ids, any name, and the doors of the listener', async (t) => {
	const hg = await headgate(t);
	const body = JSON.stringify(pageView({ user_id: 'Zoë"7', ids: { loyalty: 1234567 } })).replace('Zoë', 'Zo\\u00eb');
	assert.equal((await hg.post(body)).status, 200);
	await hg.drained();
	assert.equal((await find(hg, 'user_id=Zoë"7')).length, 2);
	assert.equal((await find(hg, 'loyalty=1234567')).length, 2);
	const ask = (path, json, headers = { authorization: `Bearer ${hg.adminToken}` }) => hg.admin(path, { method: 'POST', body: JSON.stringify(json), headers });
	assert.equal((await ask('/find', { id: 'x' }, {})).status, 401);
	assert.equal((await ask('/erase', { id: 'x' }, {})).status, 401);
	for (const wrong of [{}, { id: '' }, { id: 7 }, { id: 'x', name: 'a b' }, { id: 'x', more: true }, { id: 'x', suppress: true, unsuppress: true }, []])
		assert.equal((await ask('/erase', wrong)).status, 400, JSON.stringify(wrong));
	const answer = await ask('/find', { id: 'Zoë"7' });
	assert.equal(answer.headers['content-type'], 'application/x-ndjson');
	assert.equal(answer.text.trim().split('\n').length, 2);
	assert.equal((await erase(hg, '1234567')).erased.journal.events, 1);
	assertGone(hg, '1234567', 'Zo\\u00eb');
	const consumer = (await hg.delivered(1, 'headgate.erasures'))[0];
	assert.deepEqual(consumer.ids, { any: '1234567', loyalty: '1234567' });
	assert.equal((await run(hg, 'erase')).code, 64);
	assert.equal((await run(hg, 'find', '--id', 'x', '--suppress')).code, 64);
	assert.equal((await run(hg, 'erase', '--id', 'x', '--suppress', '--unsuppress')).code, 64);
});

test('a late copy of an erased event is still a copy, also after a crash', async (t) => {
	const hg = await headgate(t);
	const gone = `gone-${uniqueId()}`, event = pageView({ user_id: gone });
	assert.equal((await hg.post(event)).json.accepted, 1);
	await erase(hg, gone);
	assert.equal((await hg.post(event)).json.duplicates, 1);
	await hg.kill9();
	await hg.restart();
	assert.equal((await hg.post(event)).json.duplicates, 1);
	await hg.drained();
	assertGone(hg, gone);
});

test('closed and compressed files, quarantine, leftovers; on the stopped directory as well', async (t) => {
	const hg = await headgate(t);
	const gone = `gone-${uniqueId()}`, kept = `kept-${uniqueId()}`;
	assert.equal((await hg.post([pageView({ user_id: gone }), pageView({ user_id: kept })])).status, 200);
	await hg.drained();
	await hg.sigterm();
	const events = join(hg.dataDir, 'events/headgate.events'), quarantine = join(hg.dataDir, 'quarantine');
	const line = (id, n) => JSON.stringify({ format: 1, event: 'page_view', event_id: `old-${n}`, ids: { user_id: id } });
	const yesterday = new Date(Date.now() - 86400_000).toISOString().slice(0, 10);
	mkdirSync(join(events, yesterday), { recursive: true });
	writeFileSync(join(events, yesterday, '08.ndjson.gz'), gzipSync(`${line(gone, 1)}\n${line(kept, 2)}\n`));
	writeFileSync(join(events, yesterday, '09.ndjson'), `${line(kept, 3)}\n${line(gone, 4)}\n`);
	writeFileSync(join(events, yesterday, '10.ndjson'), `${line(gone, 5)}\n`);
	writeFileSync(join(quarantine, 'kafka.ndjson'), `{"position":"p","topic":"t","key":"${gone}","error":"E","at":"${new Date().toISOString()}","value":${line(gone, 6)}}\n{"position":"p","topic":"t","key":"${kept}","error":"E","at":"x","value":${line(kept, 7)}}\n`);
	writeFileSync(join(quarantine, '0-x.log-8192.bad'), Buffer.concat([Buffer.from(`\0\x01tail of ${gone}`), Buffer.alloc(50), Buffer.from(`headgate.events${kept}${line(kept, 8)}`), Buffer.alloc(9), Buffer.from(`headgate.events${gone}${line(gone, 9)}`), Buffer.alloc(9)]));
	writeFileSync(join(hg.dataDir, 'files.gz.tmp'), `half of what held ${gone}`);
	assert.deepEqual(stores(await find(hg, gone)), ['files', 'journal', 'quarantine']);
	const done = await erase(hg, gone);
	assert.deepEqual(done.erased, { journal: { events: 1, dead_letters: 0, damaged_ranges: 0 }, files: { lines: 4, files: 4 }, quarantine: { records: 3 } });
	assertGone(hg, gone);
	assert.ok(!existsSync(join(events, yesterday, '10.ndjson')), 'nothing was left of it');
	assert.equal(statSync(join(events, yesterday, '08.ndjson.gz')).mode & 0o777, 0o600);
	assert.deepEqual(fileIds(hg).filter((id) => id.startsWith('old-')).sort(), ['old-2', 'old-3']);
	assert.equal((await find(hg, kept)).filter((f) => f.store === 'quarantine').length, 2);
	assert.equal((await find(hg, kept)).filter((f) => f.store === 'files').length, 3);
	await hg.restart();
	await books(hg);
	assert.deepEqual((await hg.delivered(1, 'headgate.erasures'))[0].ids, { any: gone, user_id: gone });
	assert.deepEqual(audit(hg).map((a) => [a.act, a.via]).filter(([, via]) => via), [['find', 'command'], ['erase', 'command'], ['find', 'command'], ['find', 'command']]);
});

test('suppressed ids are refused from then on, over a restart, without a trace; and can be let in again', async (t) => {
	const hg = await headgate(t);
	const gone = `gone-${uniqueId()}`, marker = `marker-${uniqueId()}`;
	assert.equal((await hg.post(pageView({ user_id: gone }))).status, 200);
	assert.equal((await erase(hg, `user_id=${gone}`, '--suppress')).suppressed, true);
	let deep = 1;
	for (let i = 0; i < 40; i++) deep = [deep];
	const refused = async () => {
		const event = pageView({ user_id: gone, event_id: `${marker}-${uniqueId()}`, context: { page: { url: `https://shop.example/${marker}` } } });
		const answer = await hg.post([event, pageView({ user_id: 'somebody' })]);
		assert.equal(answer.status, 207);
		assert.deepEqual(answer.json.events.map((e) => [e.index, e.status, e.errors[0].rule]), [[0, 'rejected', 'suppressed']]);
		assert.equal((await hg.post({ ...event, ids: { user_id: gone }, user_id: undefined, properties: { x: deep } })).json.events[0].errors[0].rule, 'suppressed', 'also where it is refused for its depth');
	};
	await refused();
	assert.equal((await hg.post(pageView({ anonymous_id: gone }))).status, 200, 'the same text under another name is somebody else');
	await hg.drained();
	assert.ok(hg.files('headgate.rejected').length >= 2);
	assertGone(hg, marker);
	assert.ok((await find(hg, `user_id=${gone}`)).some((f) => f.store === 'suppressed'));
	assert.ok(!readFileSync(join(hg.dataDir, 'suppressed'), 'utf8').includes(gone));
	await hg.restart();
	await refused();
	assert.equal((await hg.metrics()).get('headgate_rejected_total', { reason: 'suppressed' }), 2);
	assert.deepEqual(await erase(hg, `user_id=${gone}`, '--unsuppress'), { unsuppressed: true });
	assert.equal((await hg.post(pageView({ user_id: gone }))).status, 200);
	await books(hg);
	await hg.sigterm();
	writeFileSync(join(hg.dataDir, 'suppressed'), 'headgate suppressed 1\nx\n');
	await assert.rejects(hg.restart(), /suppressed: damaged/, 'a list that cannot be read lets nobody in');
	writeFileSync(join(hg.dataDir, 'suppressed'), '');
	await assert.rejects(hg.restart(), /suppressed: damaged/);
	renameSync(join(hg.dataDir, 'suppressed'), join(hg.dataDir, 'gone'));
	await hg.restart();
});

test('a visitor known by the cookie alone is found, erased and refused as well', async (t) => {
	const hg = await headgate(t);
	const visit = (cookie) => hg.post(pageView({ anonymous_id: undefined }), { headers: cookie ? { cookie } : {} });
	const first = await visit();
	const cookie = [first.headers['set-cookie']].flat().map((c) => c?.match(/^hg_id=([^;]+)/)?.[1]).find(Boolean), id = cookie.split('.')[0];
	assert.equal((await visit(`hg_id=${cookie}`)).status, 200);
	await hg.drained();
	assert.equal((await find(hg, `cookie_id=${id}`)).length, 4);
	assert.equal((await erase(hg, id, '--suppress')).erased.journal.events, 2);
	assertGone(hg, id);
	assert.equal((await visit(`hg_id=${cookie}`)).json.events[0].errors[0].rule, 'suppressed');
	await hg.drained();
	assertGone(hg, id);
});

// Sends until told to stop; the event ids that were answered 200, by person.
function load(hg, people) {
	const acked = Object.fromEntries(people.map((p) => [p, []]));
	let stop = false;
	const done = Promise.all([0, 1, 2].map(async () => {
		for (let n = 0; !stop; n++) {
			const person = people[n % people.length], event = pageView({ user_id: person });
			try {
				if ((await hg.post(event)).status === 200) acked[person].push(event.event_id);
			} catch { await sleep(5); }
		}
	}));
	return { acked, stop: () => { stop = true; return done; } };
}

test('what is found takes a bounded part of the memory; the stopped directory gives all', { timeout: 60_000 }, async (t) => {
	const hg = await headgate(t, { config: { lanes: 1, journal: { file_bytes: '4MiB' } } });
	const ids = { user_id: uniqueId('everyone') }, pad = 'x'.repeat(50_000), COUNT = 1500;
	for (let i = 0; i < COUNT; i += 10)
		assert.equal((await hg.post(Array.from({ length: 10 }, () => pageView({ ids, properties: { pad } })))).status, 200);
	await hg.drained();
	const { code, out, err } = await run(hg, 'find', '--id', `user_id=${ids.user_id}`);
	assert.notEqual(code, 0);
	assert.match(out + err, /over 64 MiB are held: stop headgate/);
	assert.equal((await find(hg, 'user_id=nobody')).length, 0);
	await hg.sigterm();
	const found = await find(hg, `user_id=${ids.user_id}`);
	assert.equal(found.filter((f) => f.store === 'files').length, COUNT);
});

test('under load, killed in the middle: others lose nothing, and asked again it is done', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: { journal: { file_bytes: '1MiB' } } });
	const gone = `gone-${uniqueId()}`, kept = `kept-${uniqueId()}`, acked = [];
	for (let round = 0; round < 6; round++) {
		const running = load(hg, [gone, kept]);
		await sleep(250);
		if (round === 0) assert.ok((await erase(hg, gone)).erased.journal.events > 0, 'under load');
		const asked = run(hg, 'erase', '--id', gone);
		await sleep(round * 12);
		await hg.kill9();
		assert.ok([0, 69, 74, 75].includes((await asked).code));
		await running.stop();
		acked.push(...running.acked[kept]);
		await hg.restart();
	}
	await books(hg);
	const two = await Promise.all([run(hg, 'erase', '--id', gone), run(hg, 'erase', '--id', gone)]);
	assert.ok(two.some((r) => r.code === 0) && two.every((r) => [0, 75].includes(r.code)), 'one at a time; the other is told to try again');
	await hg.drained();
	assertGone(hg, gone);
	const ending = run(hg, 'erase', '--id', gone);
	assert.deepEqual(await hg.sigterm(), { code: 0, signal: null }, 'a stop does not wait for long, and is in order');
	assert.ok([0, 69, 74, 75].includes((await ending).code));
	await hg.restart();
	await hg.drained();
	const ids = fileIds(hg), set = new Set(ids);
	assert.ok(acked.length > 100, `${acked.length} events of others`);
	assert.deepEqual(acked.filter((id) => !set.has(id)), [], 'lost');
	assert.equal(ids.length, set.size, 'nothing twice');
	await books(hg);
	console.error(`erase: ${acked.length} events of others kept over 6 kills`);
});
