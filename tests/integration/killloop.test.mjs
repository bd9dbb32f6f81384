// 25 rounds of the kill loop; tests/soak/kill-loop.mjs runs as many as one likes. Its cluster of three brokers also serves to
// see how topics are made and judged where there are replicas.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { headgate, waitFor } from './lib/headgate.mjs';
import { KillLoop } from './lib/killloop.mjs';

let loop;
before(async () => { loop = await KillLoop.start(); });
after(() => loop?.close());

test('25 × kill -9 under load, with faults of brokers and network: exactly once', { timeout: 400_000 }, async () => {
	await loop.rounds(25);
	const rebuilds = await loop.oneBrokerAway(6000);
	assert.ok(rebuilds <= 5, `${rebuilds} producers rebuilt while one of three brokers was away`);
	const result = await loop.judge();
	console.error(`kill loop: ${JSON.stringify(result)}`);
	assert.equal(result.kills, 25);
	assert.ok(result.acked > 500, 'there was load');
	assert.ok(Object.keys(result.faults).length >= 3, 'there were faults');
});

test('a topic of which one broker may have the only copy is warned of; those we make are safe', { timeout: 120_000 }, async (t) => {
	const { kafka } = loop;
	await kafka.createTopic('risky.events', { config: { 'min.insync.replicas': 1 } });
	await kafka.createTopic('single.rejected', { replication: 1, config: { 'min.insync.replicas': 1 } });
	const topics = { events: 'risky.events', rejected: 'single.rejected', consent: 'made.consent', checkpoints: 'made.checkpoints', replication: 3 };
	const hg = await headgate(t, { config: { topics, kafka: { 'bootstrap.servers': kafka.direct } } });
	await waitFor(async () => (await hg.status()).forwarder.state === 'running', { deadlineMs: 30_000, what: 'forwarding' });
	const warned = hg.logs.filter((l) => l.event === 'topic_can_lose_events');
	assert.deepEqual(warned.map((l) => [l.topic, l.replicas, l.min_insync_replicas]).sort(), [['risky.events', 3, '1'], ['single.rejected', 1, '1']]);
	for (const topic of ['made.consent', 'made.checkpoints']) {
		const { replication, config } = await kafka.describeTopic(topic);
		assert.deepEqual([replication, config['min.insync.replicas']], [3, '2'], topic);
	}
});
