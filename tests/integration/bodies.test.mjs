// Bodies in flight: what many unfinished ones may hold together, and who is served meanwhile.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { sanitized } from './lib/fault.mjs';
import { headgate, pageView, waitFor } from './lib/headgate.mjs';

const MIB = 1024 * 1024;
const rss = (hg) => Number(readFileSync(`/proc/${hg.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/)[1]) * 1024;
const batch = () => Array.from({ length: 20 }, () => pageView({ properties: { a: 'x'.repeat(2000) } }));

test('400 bodies that never end: memory stays bounded, single events are served, a batch is told to come again', async (t) => {
	const hg = await headgate(t, { config: { limits: { bodies_bytes: '32MiB' } } });
	assert.equal((await hg.post(batch())).status, 200);
	const before = rss(hg);
	const head = `POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Write-Key: dev\r\nContent-Length: ${MIB}\r\n\r\n`;
	const sockets = [];
	const begin = (count) => Promise.all(Array.from({ length: count }, async () => {
		const socket = connect({ port: hg.port, host: '127.0.0.1' });
		sockets.push(socket);
		socket.on('error', () => {});
		await once(socket, 'connect');
		socket.write(head);
		await new Promise((done) => socket.write(Buffer.alloc(MIB - 1, 0x20), done));
	}));
	await begin(32);
	await waitFor(async () => (await hg.status()).http.bodies_bytes === 32 * MIB, { what: 'the budget is taken' });
	await begin(368);
	await waitFor(async () => (await hg.metrics()).get('headgate_connections') >= 400, { what: 'all connections' });
	assert.equal((await hg.status()).http.bodies_bytes, 32 * MIB);
	const grown = (rss(hg) - before) / MIB;
	if (!sanitized()) assert.ok(grown < 32 + 400 * 0.06 + 8, `${grown.toFixed(0)} MiB more than before`);
	assert.equal((await hg.post(pageView())).status, 200);
	const full = await hg.post(batch());
	assert.deepEqual([full.status, full.json.error.code], [503, 'bodies_in_flight']);
	assert.ok(Number(full.headers['retry-after']) >= 1);
	assert.ok((await hg.metrics()).get('headgate_refused_total', { reason: 'bodies_in_flight' }) >= 1);
	for (const socket of sockets) socket.destroy();
	await waitFor(async () => (await hg.status()).http.bodies_bytes === 0, { what: 'everything is given back' });
	assert.equal((await hg.post(batch())).status, 200);
});
