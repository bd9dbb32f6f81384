// The real binary under test: its own data folder and configuration, ports of the kernel's choice, and what tests ask of
// it. HEADGATE_BINARY names the binary (default build/headgate).
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from './wait.mjs';

export { sleep, waitFor } from './wait.mjs';
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const build = resolve(root, process.env.B || 'build');
export const binary = process.env.HEADGATE_BINARY || join(build, 'headgate');
export const SERVER_KEY = 'backend-0123456789abcdef';

const defaults = {
	lanes: 2,
	durability: 'os',
	catalog: { dir: join(root, 'schemas') },
	// Small files: a start prepares them, and rolling over is part of every longer test.
	journal: { file_bytes: '4MiB', disk_budget_bytes: '2GiB' },
	sources: {
		dev: { kind: 'browser', keys: ['dev'], origins: ['http://localhost:*'], consent_defaults: { analytics: 'granted', ads: 'granted' } },
		backend: { kind: 'server', keys: [SERVER_KEY], consent_defaults: { analytics: 'granted', ads: 'denied' } },
	},
};

// What steers the tests (HEADGATE_BINARY, HEADGATE_CACHE) would be taken for configuration by the daemon.
export const cleanEnv = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADGATE_')));

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);
function merge(a, b) {
	const out = { ...a };
	for (const [k, v] of Object.entries(b ?? {})) out[k] = isObject(v) && isObject(a[k]) ? merge(a[k], v) : v;
	return out;
}

// Series of a Prometheus text: get('name', {label: value}) adds up all series of that name with those labels.
export class Metrics {
	constructor(text) {
		this.text = text;
		this.series = [];
		for (const line of text.split('\n')) {
			const m = line.match(/^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/);
			if (!m) continue;
			const labels = {};
			for (const l of (m[2] ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) labels[l[1]] = l[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
			this.series.push({ name: m[1], labels, value: Number(m[3]) });
		}
	}
	get(name, labels = {}) {
		return this.series.filter((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === String(v))).reduce((n, s) => n + s.value, 0);
	}
}

// One request; the answer as { status, headers, body (Buffer), text, json }.
export function request({ port, method = 'GET', path = '/', headers = {}, body = null, agent = undefined, timeoutMs = 30_000 }) {
	return new Promise((done, fail) => {
		const req = http.request({ host: '127.0.0.1', port, method, path, headers, agent, timeout: timeoutMs }, (res) => {
			const chunks = [];
			res.on('data', (c) => chunks.push(c));
			res.on('error', fail);
			res.on('end', () => {
				const bytes = Buffer.concat(chunks);
				const text = bytes.toString('utf8');
				let json;
				try { json = JSON.parse(text); } catch {}
				done({ status: res.statusCode, headers: res.headers, body: bytes, text, json });
			});
		});
		req.on('timeout', () => req.destroy(new Error(`no answer to ${method} ${path} within ${timeoutMs} ms`)));
		req.on('error', fail);
		req.end(body);
	});
}

// A test that dies must not leave a daemon behind.
const started = new Set();
process.once('exit', () => started.forEach((hg) => hg.child?.kill('SIGKILL')));

export class Headgate {
	// options: config (merged onto the defaults above), env, args, dataDir (kept by close), binary, expectExit (do not wait
	// for the listening line; see `exit`).
	static async start(options = {}) {
		const self = new Headgate();
		self.options = options;
		self.home = mkdtempSync(join(tmpdir(), 'headgate-test-'));
		self.dataDir = options.dataDir ?? join(self.home, 'data');
		self.configFile = join(self.home, 'headgate.jsonc');
		self.setConfig(options.config);
		self.agent = new http.Agent({ keepAlive: true });
		started.add(self);
		await self.spawn();
		return self;
	}

	setConfig(config) {
		this.config = merge(defaults, config);
		writeFileSync(this.configFile, `// written by the tests\n${JSON.stringify(this.config, null, '\t')}\n`);
	}

	async spawn() {
		const { options } = this;
		const began = Date.now();
		const env = { ...cleanEnv, ...options.env };
		// What these two tell is for the tests; to headgate they would be keys of the configuration that do not exist.
		delete env.HEADGATE_BINARY;
		delete env.HEADGATE_CACHE;
		this.stderr = '';
		this.stdout = '';
		this.life = (this.life ?? 0) + 1; // processes on these data
		const child = spawn(options.binary ?? binary, ['serve', '--config', this.configFile, '--data-dir', this.dataDir,
			'--listen', options.listen ?? '127.0.0.1:0', '--admin', '127.0.0.1:0', ...(options.args ?? [])], { env, stdio: ['ignore', 'pipe', 'pipe'] });
		this.child = child;
		this.lastPid = child.pid; // also after it has ended
		this.exit = new Promise((done) => {
			child.once('error', (e) => { this.child = null; done({ code: null, signal: null, error: e }); });
			child.once('close', (code, signal) => {
				if (this.child === child) this.child = null;
				if (/Sanitizer|runtime error:/.test(this.stderr)) console.error(this.stderr);
				done({ code, signal });
			});
		});
		child.stderr.on('data', (d) => (this.stderr += d));
		child.stdout.on('data', (d) => (this.stdout += d));
		if (options.expectExit) return;
		const failed = await Promise.race([
			this.exit.then((result) => `exit ${result.error ?? result.code ?? result.signal}`),
			waitFor(() => this.stdout.includes('\n'), { deadlineMs: 30_000, everyMs: 5, what: 'the listening line' }).then(() => null, (e) => e.message),
		]);
		if (failed) {
			child.kill('SIGKILL');
			throw new Error(`${failed}\nstdout: ${this.stdout}\nstderr: ${this.stderr}`);
		}
		const line = this.stdout.match(/^listening public \S+:(\d+) admin \S+:(\d+)\n$/);
		if (!line) throw new Error(`not the listening line: ${JSON.stringify(this.stdout)}`);
		this.port = Number(line[1]);
		this.adminPort = Number(line[2]);
		this.startedInMs = Date.now() - began;
	}

	get pid() { return this.child.pid; }
	// Structured log lines; a line that is not JSON is kept as { text }.
	get logs() {
		return this.stderr.split('\n').filter(Boolean).map((l) => { try { return JSON.parse(l); } catch { return { text: l }; } });
	}

	request(method, path, options = {}) {
		return request({ port: this.port, method, path, agent: this.agent, ...options });
	}
	get(path, options) { return this.request('GET', path, options); }
	// An object or array is sent as JSON, a string or Buffer as it is; key null sends none.
	post(body, { path = '/v1/events', key = 'dev', type = 'application/json', headers = {}, ...rest } = {}) {
		const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
		const all = { 'content-length': bytes.length, ...(type && { 'content-type': type }), ...(key && { 'x-write-key': key }), ...headers };
		return this.request('POST', path, { body: bytes, headers: all, ...rest });
	}
	admin(path, options = {}) {
		return request({ port: this.adminPort, path, agent: this.agent, ...options });
	}
	get adminToken() { return readFileSync(join(this.dataDir, 'admin.token'), 'utf8').trim(); }
	async metrics() {
		const answer = await this.admin('/metrics');
		if (answer.status !== 200) throw new Error(`/metrics: ${answer.status} ${answer.text}`);
		return new Metrics(answer.text);
	}
	async status() {
		const answer = await this.admin('/status');
		if (answer.status !== 200 || !answer.json) throw new Error(`/status: ${answer.status} ${answer.text}`);
		return answer.json;
	}

	// Sends bytes as they are and reads until the server closes (or `until` matches, or the time is up).
	raw(bytes, { timeoutMs = 10_000, until = null, end = false } = {}) {
		return new Promise((done) => {
			let text = '';
			const began = Date.now();
			const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true }, () => { if (bytes.length) socket.write(bytes); if (end) socket.end(); });
			const finish = (how) => { clearTimeout(timer); socket.destroy(); done({ text, how, ms: Date.now() - began, status: Number(text.match(/^HTTP\/1\.[01] (\d{3})/)?.[1] ?? 0) }); };
			const timer = setTimeout(() => finish('timeout'), timeoutMs);
			socket.on('data', (d) => { text += d.toString('latin1'); if (until?.test(text)) finish('matched'); });
			socket.on('end', () => finish('closed'));
			socket.on('error', (e) => finish(e.code));
		});
	}

	// Lines of the files sink for a topic, in file order: { topic, file, line, event }.
	files(topic = 'headgate.events') {
		const dir = join(this.dataDir, 'events', topic);
		if (!existsSync(dir)) return [];
		const out = [];
		for (const date of readdirSync(dir).sort()) {
			for (const hour of readdirSync(join(dir, date)).sort()) {
				if (!/^\d{2}\.ndjson$/.test(hour)) throw new Error(`${date}/${hour} lies among the event files`);
				const text = readFileSync(join(dir, date, hour), 'utf8');
				if (text && !text.endsWith('\n')) throw new Error(`${date}/${hour} ends in half a line`);
				for (const line of text.split('\n')) if (line) out.push({ topic, file: `${date}/${hour}`, line, event: JSON.parse(line) });
			}
		}
		return out;
	}
	topics() {
		const dir = join(this.dataDir, 'events');
		return existsSync(dir) ? readdirSync(dir).sort() : [];
	}
	lineCount(topic) {
		const dir = join(this.dataDir, 'events', topic);
		if (!existsSync(dir)) return 0;
		let count = 0;
		for (const date of readdirSync(dir)) for (const hour of readdirSync(join(dir, date))) for (const byte of readFileSync(join(dir, date, hour))) count += byte === 10;
		return count;
	}
	// A half line may be seen while the sink writes: looked at again.
	async events(topic = 'headgate.events') {
		return (await waitFor(() => this.files(topic).map((f) => f.event), { what: `files of ${topic}` }));
	}
	// Waits until the topic holds at least `count` events and nothing is pending.
	async delivered(count, topic = 'headgate.events', deadlineMs = 15_000) {
		await waitFor(async () => {
			const n = this.files(topic).length;
			if (n < count) throw new Error(`${n} of ${count} events in ${topic}`);
			return true;
		}, { deadlineMs, what: `${count} events in ${topic}` });
		return this.events(topic);
	}
	// By the books, not by the gauge of what is pending alone: all that was accepted has come out at the other end.
	async drained(deadlineMs = 15_000) {
		await waitFor(async () => {
			const m = await this.metrics();
			const open = (name) => m.get(name, { state: 'accepted' }) - ['delivered', 'poisoned', 'erased', 'quarantined'].reduce((n, state) => n + m.get(name, { state }), 0);
			const left = { records: open('headgate_records_total'), letters: open('headgate_dead_letters_total'), pending: m.get('headgate_forward_pending_records') };
			if (left.records || left.letters || left.pending) throw new Error(JSON.stringify(left));
			return true;
		}, { deadlineMs, everyMs: 20, what: 'everything delivered' });
	}

	async kill9() {
		this.child?.kill('SIGKILL');
		return this.exit;
	}
	async sigterm(deadlineMs = 40_000) {
		const { child } = this;
		child?.kill('SIGTERM');
		const timer = setTimeout(() => child?.kill('SIGKILL'), deadlineMs);
		const result = await this.exit;
		clearTimeout(timer);
		return result;
	}
	sighup() { this.child.kill('SIGHUP'); }
	// On the same data, after the process has ended.
	async restart(options = {}) {
		if (this.child) await this.sigterm();
		this.agent.destroy();
		this.agent = new http.Agent({ keepAlive: true });
		this.options = { ...this.options, ...options };
		if (options.config) this.setConfig(options.config);
		await this.spawn();
	}
	// Ends it in good order: a drain that fails, or a sanitizer's finding, fails the test.
	async close() {
		const result = this.child ? await this.sigterm() : await this.exit;
		this.agent.destroy();
		started.delete(this);
		const { stderr } = this;
		if (!this.keep) rmSync(this.home, { recursive: true, force: true });
		if (this.options.expectExit || result.signal === 'SIGKILL') return result;
		if (result.code !== 0) throw new Error(`exit ${result.code ?? result.signal} instead of 0\n${stderr.slice(-4000)}`);
		return result;
	}
}

// Starts one for the length of a test.
export async function headgate(t, options) {
	const hg = await Headgate.start(options);
	t.after(() => hg.close()); // also where the test fails: a process left over would keep the runner waiting
	return hg;
}

let counter = 0;
export const uniqueId = () => `0190b6a2-${process.pid.toString(16).padStart(8, '0').slice(-4)}-7${Date.now().toString(16).slice(-3)}-8000-${(counter++).toString(16).padStart(12, '0')}`;

// Valid events of the shipped catalog.
export const pageView = (over = {}) => ({ event: 'page_view', event_id: uniqueId(), anonymous_id: 'a-1', context: { page: { url: 'https://shop.example/', title: 'Home' } }, properties: {}, ...over });
export const purchase = (over = {}) => ({
	event: 'purchase', event_id: uniqueId(), anonymous_id: 'a-1', ...over,
	properties: { order_id: `T-${uniqueId()}`, currency: 'EUR', value: 129.85, items: [{ product_id: 'SKU-1', price: 99.95, quantity: 1 }, { product_id: 'SKU-2', price: 14.95, quantity: 2 }], ...over.properties },
});
