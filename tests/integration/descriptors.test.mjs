// A flood of connections leaves the descriptors that the daemon itself needs, however many lanes it has.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, headgate, pageView, waitFor } from './lib/headgate.mjs';

test('16 lanes and 400 open files at most: under a flood the admin listener answers and events are stored', async (t) => {
	const dir = mkdtempSync(join(tmpdir(), 'headgate-limited-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const limited = join(dir, 'headgate');
	writeFileSync(limited, `#!/bin/sh\nulimit -n 400\nexec '${binary}' "$@"\n`, { mode: 0o755 });
	const hg = await headgate(t, { binary: limited, config: { lanes: 16, journal: { file_bytes: '256KiB', disk_budget_bytes: '64MiB' } } });
	const { connections_max: max } = (await hg.status()).http;
	assert.ok(max > 20 && max < 260, `${max} connections`);
	assert.equal((await hg.post(pageView())).status, 200); // its connection is kept
	const closed = new Set();
	const sockets = Array.from({ length: 450 }, () => {
		const socket = connect({ port: hg.port, host: '127.0.0.1' });
		socket.on('error', () => {});
		socket.on('close', () => closed.add(socket));
		return socket;
	});
	t.after(() => sockets.forEach((s) => s.destroy()));
	await waitFor(() => closed.size >= 450 - max, { what: 'what is too much is turned away' });
	assert.equal((await hg.admin('/readyz', { agent: undefined, timeoutMs: 3000 })).status, 200);
	assert.ok(readdirSync(`/proc/${hg.pid}/fd`).length < 400);
	// many journal files are begun meanwhile
	for (let i = 0; i < 40; i++) assert.equal((await hg.post(Array.from({ length: 20 }, () => pageView({ properties: { a: 'x'.repeat(3000) } })))).status, 200);
	await hg.drained();
	assert.equal((await hg.status()).ready, true);
});
