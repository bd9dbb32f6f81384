// Power loss: the process is killed at some system call, and of what was not synced by then the disk has lost, torn,
// zeroed or garbled a part (lib/fault.mjs). Durability `disk` loses nothing that was answered; `os` at most what was
// answered within the stated interval. To files exactly once either way, and the books balance.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, KILL, KILL_AFTER, cutPower, sanitized } from './lib/fault.mjs';
import { Headgate, pageView } from './lib/headgate.mjs';

const ROUNDS = Number(process.env.POWER_ROUNDS || 20);
const SLACK_MS = 2000; // a busy machine lets the keeper wait for its turn
const pick = (n) => Math.floor(Math.random() * n);

// Posts on several connections until the daemon is gone; what was answered, and when.
async function load(hg, acked, untilMs) {
	const one = async () => {
		for (;;) {
			const batch = Array.from({ length: 1 + pick(4) }, () => pageView({ properties: { pad: 'x'.repeat(pick(2500)) } }));
			let answer;
			try { answer = await hg.post(batch, { timeoutMs: 3000 }); } catch { return; }
			if (answer.status === 200) for (const e of batch) acked.set(e.event_id, Date.now());
			if (Date.now() > untilMs) return;
		}
	};
	await Promise.all(Array.from({ length: 6 }, one));
}

for (const durability of ['disk', 'os']) {
	test(`power loss, ${durability}: ${ROUNDS} rounds`, { timeout: 240_000, skip: sanitized() && 'sanitized build' }, async (t) => {
		const hg = await Headgate.start({ config: { durability, lanes: 2, journal: { file_bytes: '256KiB', grace_ms: 0 } } });
		const fault = new Fault(hg.home, hg.dataDir);
		t.after(async () => { fault.close(); await hg.close(); });
		const acked = new Map(), lost = [];
		let undone = 0, mangled = 0, worstMs = 0;
		await hg.sigterm();
		for (let round = 0; round < ROUNDS; round++) {
			fault.reset();
			try {
				// Some cuts fall into the start, with its recovery; most into the load.
				if (round % 5 === 4) fault.set({ fail_call: 1 + pick(60), how: KILL });
				await hg.restart({ env: fault.env({ log: true }) });
				fault.set({ fail_call: fault.get('calls') + 1 + pick(400), how: round % 2 ? KILL : KILL_AFTER });
				await load(hg, acked, Date.now() + 600);
			} catch (e) {
				assert.match(e.message, /SIGKILL/, `round ${round}`);
			}
			await hg.kill9();
			const cut = cutPower(fault, hg.lastPid);
			undone += cut.undone;
			mangled += cut.mangled;
			if (durability === 'disk') continue;
			// What may be lost: answered after the oldest write that was not synced, and that one is young.
			if (cut.oldestMs !== null) worstMs = Math.max(worstMs, cut.cutMs - cut.oldestMs);
			lost.push({ from: cut.oldestMs ?? Infinity, to: cut.cutMs });
		}
		await hg.restart({ env: {} });
		await hg.drained(30_000);
		const ids = hg.files().map((f) => f.event.event_id), seen = new Set(ids);
		const gone = [...acked].filter(([id]) => !seen.has(id));
		console.error(`power ${durability}: ${acked.size} events answered, ${gone.length} lost, ${mangled} files mangled, ${undone} names undone, oldest unsynced write ${worstMs} ms`);
		assert.ok(acked.size > 20 * ROUNDS, 'there was load');
		assert.ok(mangled > ROUNDS, 'the cuts cut something');
		assert.equal(ids.length, seen.size, 'delivered twice');
		if (durability === 'disk') assert.deepEqual(gone, [], 'lost');
		else {
			assert.deepEqual(gone.filter(([, ms]) => !lost.some((l) => ms >= l.from && ms <= l.to + SLACK_MS)), [], 'lost although it was synced');
			const status = await hg.status();
			assert.equal(status.durability, 'os');
			assert.ok(worstMs <= status.sync_interval_ms + SLACK_MS, `an unsynced write was ${worstMs} ms old`);
		}
		const m = await hg.metrics();
		assert.equal(m.get('headgate_journal_failures_total'), 0);
	});
}
