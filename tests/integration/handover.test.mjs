// Shutdown and hand-over: a socket that stays open in the supervisor, so that no connection is refused while one process
// follows the other; drains under load, again and again; a second SIGTERM for those who will not wait. In all of them what
// was answered 2xx is delivered, once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertBooks } from './lib/books.mjs';
import { binary, build, cleanEnv, headgate, pageView, request, sleep, waitFor } from './lib/headgate.mjs';

const lines = (file) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []);

// The socket of one headgate and whoever serves them at the moment.
class Supervised {
	static async start(hg, which) {
		const self = new Supervised();
		const args = [which, binary, 'serve', '--config', hg.configFile, '--data-dir', hg.dataDir, '--admin', '127.0.0.1:0'];
		self.ended = [];
		self.starts = 0;
		self.stderr = '';
		self.child = spawn(join(build, 'bench/supervise'), args, { env: cleanEnv, stdio: ['pipe', 'pipe', 'pipe'] });
		process.once('exit', () => self.child.kill('SIGKILL'));
		self.exit = new Promise((done) => self.child.once('close', done));
		let rest = '';
		self.child.stdout.on('data', (d) => {
			rest += d;
			const whole = rest.split('\n');
			rest = whole.pop();
			whole.forEach((line) => self.hear(line));
		});
		self.child.stderr.on('data', (d) => (self.stderr += d));
		await self.listening(1);
		return self;
	}
	hear(line) {
		const [word, first, second] = line.split(' ');
		if (word === 'socket') [this.port, this.adminPort] = [Number(first), Number(second)];
		else if (word === 'started') this.pid = Number(first);
		else if (word === 'ended') this.ended.push(Number(second));
		else if (word === 'listening') {
			this.starts++;
			this.announced = line;
		}
	}
	listening(starts) {
		return waitFor(() => this.starts >= starts, { deadlineMs: 30_000, everyMs: 5, what: `start ${starts}\n${this.stderr.slice(-2000)}` });
	}
	async restart(signal) {
		const next = this.starts + 1;
		process.kill(this.pid, signal);
		await this.listening(next);
	}
	async close() {
		this.child.stdin.end();
		await this.exit;
	}
}

async function postOne(port, found) {
	const event = pageView(), body = JSON.stringify(event);
	const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-write-key': 'dev', connection: 'close' };
	const answer = await request({ port, method: 'POST', path: '/v1/events', headers, body });
	if (answer.status === 200) found.acked.push(event.event_id);
	return answer;
}
const scrape = (port) => request({ port, path: '/metrics', headers: { connection: 'close' } });

// One connection for each request, without a pause, until told to stop.
function knock(port, count, ask = postOne) {
	const found = { acked: [], refused: 0, failed: [], statuses: {} };
	let going = true;
	const one = async () => {
		while (going) {
			try {
				const answer = await ask(port, found);
				found.statuses[answer.status] = (found.statuses[answer.status] ?? 0) + 1;
			} catch (e) {
				if (e.code === 'ECONNREFUSED') found.refused++;
				else found.failed.push(e.code ?? e.message);
			}
		}
	};
	const done = Promise.all(Array.from({ length: count }, one));
	return { found, stop: async () => { going = false; await done; return found; } };
}

// The configuration and the data folder of an instance that is not running.
async function prepared(t, config) {
	const hg = await headgate(t, { config });
	await hg.sigterm();
	hg.options = { ...hg.options, expectExit: true };
	return hg;
}
const fileIds = (hg) => hg.files().map((f) => f.event.event_id);
function assertOnce(hg, acked) {
	const ids = fileIds(hg), set = new Set(ids);
	assert.equal(ids.length, set.size, 'delivered twice');
	assert.deepEqual(acked.filter((id) => !set.has(id)).slice(0, 5), [], 'answered and lost');
}

for (const [signal, rounds, which] of [['SIGTERM', 20, 'BOTH'], ['SIGKILL', 5, 'PUBLIC']]) {
	test(`inherited, ${which}: ${rounds} × ${signal} under a connect loop, no connection is refused`, { timeout: 180_000 }, async (t) => {
		const hg = await prepared(t);
		const supervised = await Supervised.start(hg, which);
		t.after(() => supervised.close());
		assert.match(supervised.announced, new RegExp(`^listening public 127\\.0\\.0\\.1:${supervised.port} admin `));
		if (which === 'BOTH') assert.match(supervised.announced, new RegExp(` admin 127\\.0\\.0\\.1:${supervised.adminPort}$`));
		const knocking = knock(supervised.port, 8), scraping = which === 'BOTH' ? knock(supervised.adminPort, 1, scrape) : null;
		for (let round = 0; round < rounds; round++) {
			const before = knocking.found.acked.length;
			await supervised.restart(signal);
			await waitFor(() => knocking.found.acked.length > before + 8, { deadlineMs: 20_000, what: 'answers of the next process' });
		}
		const found = await knocking.stop(), scraped = await scraping?.stop();
		await supervised.close();
		console.error(`hand-over ${signal}: ${rounds} restarts, ${found.acked.length} answered, ${found.refused} refused, ${found.failed.length} cut off`);
		assert.equal(found.refused, 0);
		if (scraped) assert.deepEqual([scraped.refused, scraped.failed, Object.keys(scraped.statuses)], [0, [], ['200']], 'scrapes');
		assert.deepEqual(Object.keys(found.statuses), ['200']);
		if (signal === 'SIGTERM') {
			assert.deepEqual(found.failed, [], 'a drain answers what it accepted');
			assert.deepEqual(supervised.ended, Array(rounds + 1).fill(0));
		} else {
			assert.ok(found.failed.every((code) => code === 'ECONNRESET'), found.failed.join());
		}
		hg.options = { ...hg.options, expectExit: false };
		await hg.spawn();
		await hg.drained(30_000);
		assertOnce(hg, found.acked);
		await assertBooks(hg);
	});
}

test('what is handed over must be listening, one socket for each listener', { timeout: 60_000 }, async (t) => {
	const hg = await prepared(t);
	const run = (fds, redirect) => new Promise((done) => {
		const line = `LISTEN_PID=$$ LISTEN_FDS=${fds} exec ${binary} serve --config ${hg.configFile} --data-dir ${hg.dataDir} --listen 127.0.0.1:0 --admin 127.0.0.1:0 ${redirect}`;
		const child = spawn('sh', ['-c', line], { env: cleanEnv, stdio: ['ignore', 'ignore', 'pipe'] });
		let text = '';
		child.stderr.on('data', (d) => (text += d));
		child.once('close', (code) => done({ code, text }));
	});
	const file = await run(1, '3</dev/null');
	assert.equal(file.code, 78, file.text);
	assert.match(file.text, /descriptor 3 is not a listening TCP socket/);
	const two = await run(2, '3</dev/null 4</dev/null');
	assert.equal(two.code, 78, two.text);
	assert.match(two.text, /two sockets were handed over for the public listener/);
});

function load(hg, args) {
	const acked = join(hg.home, 'acked');
	const child = spawn(join(build, 'bench/load'), ['--port', String(hg.port), '--seconds', '30', '--acked', acked, ...args.map(String)], { stdio: 'ignore' });
	return { acked, done: new Promise((done) => child.once('close', done)) };
}

test('50 drains under load: exit 0 each time, what was answered is delivered once', { timeout: 240_000 }, async (t) => {
	const hg = await headgate(t, { config: { journal: { file_bytes: '1MiB' } } });
	for (let round = 0; round < 50; round++) {
		const running = load(hg, [['--connections', 8, '--rate', 1500], ['--connections', 2, '--batch', 10, '--rate', 100], ['--connections', 32, '--rate', 1500]][round % 3]);
		await sleep(30 + Math.random() * 120);
		assert.deepEqual(await hg.sigterm(), { code: 0, signal: null });
		await running.done;
		await hg.restart();
	}
	await hg.drained(60_000);
	const acked = lines(join(hg.home, 'acked'));
	console.error(`drain: 50 cycles, ${acked.length} answered`);
	assert.ok(acked.length > 1000, 'there was load');
	assertOnce(hg, acked);
	await assertBooks(hg);
});

test('a drain waits for a slow request until drain_timeout_ms; a second SIGTERM ends it at once; nothing answered is lost', { timeout: 120_000 }, async (t) => {
	const hg = await headgate(t, { config: { drain_timeout_ms: '20s' } });
	const half = async () => {
		const socket = connect({ port: hg.port, host: '127.0.0.1' });
		socket.on('error', () => {});
		await new Promise((done) => socket.once('connect', done));
		socket.write('POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Write-Key: dev\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[');
		await waitFor(async () => (await hg.status()).http.in_flight > 0, { what: 'a request in flight' });
		return socket;
	};
	const acked = [];
	const post = async () => {
		const event = pageView();
		assert.equal((await hg.post(event)).status, 200);
		acked.push(event.event_id);
	};
	await post();
	let socket = await half();
	const { exit, child } = hg;
	child.kill('SIGTERM');
	await waitFor(async () => (await hg.admin('/readyz')).status === 503, { what: 'a drain' });
	assert.equal((await hg.status()).http.draining, true);
	const began = Date.now();
	child.kill('SIGTERM');
	assert.deepEqual(await exit, { code: 0, signal: null });
	assert.ok(Date.now() - began < 8000, `${Date.now() - began} ms`);
	socket.destroy();

	await hg.restart({ config: { drain_timeout_ms: '1500ms' } });
	await post();
	socket = await half();
	const start = Date.now();
	assert.deepEqual(await hg.sigterm(), { code: 0, signal: null });
	const took = Date.now() - start;
	assert.ok(took >= 1400 && took < 10_000, `${took} ms`);
	socket.destroy();
	await hg.restart();
	await hg.drained();
	assertOnce(hg, acked);
	await assertBooks(hg);
});
