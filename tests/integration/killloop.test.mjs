// 25 rounds of the kill loop; tests/soak/kill-loop.mjs runs as many as one likes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KillLoop } from './lib/killloop.mjs';

test('25 × kill -9 under load, with faults of brokers and network: exactly once', { timeout: 400_000 }, async (t) => {
	const loop = await KillLoop.start();
	t.after(() => loop.close());
	await loop.rounds(25);
	const rebuilds = await loop.oneBrokerAway(6000);
	assert.ok(rebuilds <= 5, `${rebuilds} producers rebuilt while one of three brokers was away`);
	const result = await loop.judge();
	console.error(`kill loop: ${JSON.stringify(result)}`);
	assert.equal(result.kills, 25);
	assert.ok(result.acked > 500, 'there was load');
	assert.ok(Object.keys(result.faults).length >= 3, 'there were faults');
});
