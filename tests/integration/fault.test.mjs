// Each system call on the data directory fails once, each allocation of the request path fails once, and disks that are
// slow, read-only or broken: whatever is answered 2xx is delivered, once; else the answer is 503, or the process ends with
// a code that says why, and the next start puts things right.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { CALLS, ERRNO, Fault, KILL_AFTER, SHORT, sanitized, slow } from './lib/fault.mjs';
import { Headgate, pageView, purchase, waitFor } from './lib/headgate.mjs';

const skip = sanitized() && 'sanitized build';
const nameOf = (kind) => Object.entries(CALLS).find(([, bit]) => bit === kind)?.[0] ?? String(kind);
const pages = (count, bytes) => Array.from({ length: count }, () => pageView({ properties: { pad: 'x'.repeat(bytes) } }));

async function faulty(t, config) {
	const hg = await Headgate.start({ config });
	const fault = new Fault(hg.home, hg.dataDir);
	t.after(async () => { fault.close(); await hg.close(); });
	return { hg, fault };
}

// What was answered 200 is noted, 503 promises nothing; a connection that ends without an answer promises nothing either.
async function post(hg, batch, acked) {
	let answer;
	try { answer = await hg.post(batch, { timeoutMs: 15_000 }); } catch { return null; }
	assert.ok([200, 503].includes(answer.status), `${answer.status} ${answer.text}`);
	if (answer.status === 503) assert.ok(answer.headers['retry-after'], 'Retry-After');
	else for (const e of batch) acked.add(e.event_id);
	return answer.status;
}

// Nobody calls the disk any more: the next file stands ready, the sink has all. So it is the commit that meets the fault.
async function quiet(fault) {
	let calls = -1, since = 0;
	await waitFor(() => {
		const now = fault.get('calls');
		if (now !== calls) [calls, since] = [now, Date.now()];
		return Date.now() - since > 400;
	}, { deadlineMs: 20_000, what: 'a quiet disk' });
}

async function settled(hg, acked, what) {
	await hg.drained(30_000);
	const ids = hg.files().map((f) => f.event.event_id), seen = new Set(ids);
	assert.equal(ids.length, seen.size, `${what}: delivered twice`);
	assert.deepEqual([...acked].filter((id) => !seen.has(id)), [], `${what}: lost`);
}

// One life on an empty folder: start, some events over a file's end, the end; then a start on a good disk.
async function life(hg, fault, exits) {
	const acked = new Set();
	rmSync(hg.dataDir, { recursive: true, force: true });
	try {
		await hg.restart({ env: fault.env() });
		for (let i = 0; i < 4; i++) await post(hg, pages(3, 30_000), acked);
		const { code, signal } = await hg.sigterm();
		assert.ok(code === 0 || code === 74, `exit ${code ?? signal}`);
		exits.add(code);
	} catch (e) {
		assert.match(e.message, /^exit (6[4-9]|7[0-8])\n/, 'a start that fails says why');
		exits.add(Number(e.message.match(/\d+/)[0]));
	}
	if (acked.size === 0) return 0;
	await hg.restart({ env: {} });
	await settled(hg, acked, `call ${fault.get('fail_call')}, ${nameOf(fault.get('hit_kind'))}`);
	await hg.sigterm();
	return acked.size;
}

// Mostly they wait, so several go at once.
for (const [name, how, kinds] of [['EIO', ERRNO.EIO, 0], ['ENOSPC', ERRNO.ENOSPC, CALLS.write | CALLS.open | CALLS.rename | CALLS.allocate | CALLS.mkdir], ['a short write', SHORT, CALLS.write]]) {
	test(`each call on the data directory fails once: ${name}`, { timeout: 300_000, skip }, async (t) => {
		const kindsHit = new Map(), exits = new Set();
		let next = 1, last = Infinity, answered = 0;
		const worker = async () => {
			const { hg, fault } = await faulty(t, { lanes: 1, durability: 'disk', journal: { file_bytes: '256KiB', grace_ms: 0 } });
			await hg.sigterm();
			while (next < last) {
				const n = next++;
				assert.ok(n < 400, 'the calls come to an end');
				fault.reset({ fail_call: n, how, kinds });
				const got = await life(hg, fault, exits);
				answered += got;
				if (fault.get('hits') === 0) last = Math.min(last, n);
				else kindsHit.set(nameOf(fault.get('hit_kind')), (kindsHit.get(nameOf(fault.get('hit_kind'))) ?? 0) + 1);
			}
			await hg.restart({ env: {} });
		};
		await Promise.all(Array.from({ length: 6 }, worker));
		console.error(`fault ${name}: ${last - 1} calls failed in turn (${[...kindsHit].map(([k, c]) => `${k} ${c}`).join(', ')}), ${answered} events answered, exits ${[...exits].join(' ')}`);
		assert.ok(last > 10 && answered > last);
	});
}

test('a slow disk costs latency; /readyz goes red when a sync lasts over 2 s', { timeout: 60_000, skip }, async (t) => {
	const { hg, fault } = await faulty(t, { lanes: 1, durability: 'disk' });
	await hg.restart({ env: fault.env() });
	const acked = new Set();
	assert.equal(await post(hg, pages(1, 10), acked), 200);
	await quiet(fault);
	fault.reset({ fail_call: 1, sticky: 1, how: slow(3500), kinds: CALLS.sync });
	const began = Date.now();
	const answer = post(hg, pages(1, 10), acked);
	await waitFor(async () => (await hg.admin('/readyz')).status === 503, { deadlineMs: 3400, what: '/readyz red while the sync lasts' });
	assert.equal((await hg.admin('/readyz')).text.trim(), 'journal sync stalled');
	assert.ok(Date.now() - began >= 1900, 'not before 2 s');
	assert.equal(await answer, 200, 'late, but honest');
	assert.ok(Date.now() - began >= 3400);
	fault.reset();
	await waitFor(async () => (await hg.admin('/readyz')).status === 200, { deadlineMs: 20_000, what: '/readyz green again' });
	await settled(hg, acked, 'slow');
});

for (const [what, control, code] of [
	['a failed fsync', { how: ERRNO.EIO, kinds: CALLS.sync }, 74],
	['a disk that turned read-only', { how: ERRNO.EROFS, kinds: 0 }, 74],
]) {
	test(`${what} is final: 503 for the batch, exit ${code}, what was answered before is kept`, { timeout: 60_000, skip }, async (t) => {
		const { hg, fault } = await faulty(t, { lanes: 1, durability: 'disk' });
		await hg.restart({ env: fault.env() });
		const acked = new Set(), after = pages(2, 100);
		assert.equal(await post(hg, pages(5, 100), acked), 200);
		await quiet(fault);
		fault.reset({ fail_call: 1, sticky: 1, ...control });
		const status = await post(hg, after, acked);
		assert.ok(status === 503 || status === null, String(status));
		assert.deepEqual(await hg.exit, { code, signal: null });
		assert.ok(!hg.files().some((f) => after.some((e) => e.event_id === f.event.event_id)), 'nothing of the batch came through');
		await hg.restart({ env: {} });
		assert.equal(await post(hg, after, acked), 200, 'the client tries again');
		await settled(hg, acked, what);
	});
}

// Killed when the batch is on the disk and nobody was told: the client's retry is one event.
test('kill -9 between the sync and the answer: the retry is a duplicate, one copy is delivered', { timeout: 60_000, skip }, async (t) => {
	const { hg, fault } = await faulty(t, { lanes: 1, durability: 'disk' });
	await hg.restart({ env: fault.env() });
	const acked = new Set(), batch = pages(3, 100);
	assert.equal(await post(hg, pages(1, 100), acked), 200);
	await quiet(fault);
	fault.reset({ fail_call: 1, how: KILL_AFTER, kinds: CALLS.sync });
	assert.equal(await post(hg, batch, acked), null, 'no answer');
	assert.equal((await hg.exit).signal, 'SIGKILL');
	await hg.restart({ env: {} });
	const again = await hg.post(batch);
	assert.equal(again.status, 200);
	assert.equal(again.json.duplicates, 3, again.text);
	await settled(hg, new Set([...acked, ...batch.map((e) => e.event_id)]), 'the retry');
	assert.equal(hg.files().length, 4);
});

// The next allocation but k fails while requests come in: plain ones, a batch, a new connection, a big body, gzip.
test('each allocation of the request path fails once', { timeout: 120_000, skip }, async (t) => {
	const { hg, fault } = await faulty(t, { lanes: 1, durability: 'os' });
	await hg.restart({ env: fault.env() });
	const acked = new Set(), answers = new Map();
	const shapes = [
		() => [pageView()],
		() => Array.from({ length: 50 }, () => pageView()),
		() => [purchase()],
		() => pages(8, 50_000),
		() => [{ ...pageView(), event: 'no_such_event' }],
	];
	for (const shape of shapes) {
		for (let k = 1, idle = 0; idle < 3; k++) {
			assert.ok(k < 300, 'the allocations come to an end');
			fault.reset({ fail_malloc: k });
			const batch = shape(), fresh = k % 2 ? { agent: false } : {};
			let answer = null;
			try { answer = await hg.post(batch, { timeoutMs: 10_000, ...fresh }); } catch {}
			const met = fault.get('malloc_hits') > 0;
			idle = met ? 0 : idle + 1;
			if (answer?.status === 200) for (const e of batch) acked.add(e.event_id);
			else if (batch[0].event !== 'no_such_event') assert.ok(!answer || answer.status === 503, `${answer?.status} ${answer?.text}`);
			if (met) answers.set(answer?.status ?? 'closed', (answers.get(answer?.status ?? 'closed') ?? 0) + 1);
			assert.ok(hg.child, `still alive\n${hg.stderr.slice(-2000)}`);
		}
	}
	fault.reset();
	console.error(`fault malloc: ${[...answers].map(([status, n]) => `${status} ${n}`).join(', ')}; ${acked.size} events answered`);
	assert.ok([...answers.values()].reduce((a, b) => a + b, 0) > 20, 'allocations failed');
	assert.equal(await post(hg, [pageView()], acked), 200, 'well again');
	await settled(hg, acked, 'malloc');
});
