#!/usr/bin/env node
// The kill loop, as long as one likes: tests/soak/kill-loop.mjs [ROUNDS=500] [SEED]. Prints what was sent, answered and delivered;
// exit 0 only if the oracle finds nothing wrong.
import { KillLoop } from '../integration/lib/killloop.mjs';

const rounds = Number(process.argv[2] ?? 500), seed = Number(process.argv[3] ?? Date.now() % 1e9);
const began = Date.now();
const loop = await KillLoop.start({ seed, durability: process.env.DURABILITY ?? 'os' });
try {
	await loop.rounds(rounds);
	const rebuildsWithoutOneBroker = await loop.oneBrokerAway(60_000); // want <= 5
	console.log(JSON.stringify({ ...(await loop.judge({ deadlineMs: 300_000 })), rebuildsWithoutOneBroker, seconds: Math.round((Date.now() - began) / 1000) }));
} finally {
	await loop.close();
}
