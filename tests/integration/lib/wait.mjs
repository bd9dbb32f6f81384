// Waiting for conditions, never for luck; and free ports outside the range that outgoing connections take theirs from.
import { createServer } from 'node:net';

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Calls `condition` until it gives something truthy, which is returned. Throws, with what it gave or threw last, after
// the deadline.
export async function waitFor(condition, { deadlineMs = 10_000, everyMs = 20, what = 'condition' } = {}) {
	const end = Date.now() + deadlineMs;
	let last;
	for (;;) {
		try {
			last = await condition();
			if (last) return last;
		} catch (e) {
			last = e;
		}
		if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms; last: ${last instanceof Error ? last.stack : JSON.stringify(last)}`);
		await sleep(everyMs);
	}
}

const isFree = (port) => new Promise((done) => {
	const server = createServer().once('error', () => done(false));
	server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => done(true)));
});

// A port that stays ours while its owner is down: no outgoing connection is given one below the ephemeral range.
export async function freePort() {
	for (;;) {
		const port = 20_000 + Math.floor(Math.random() * 12_000);
		if (await isFree(port)) return port;
	}
}
