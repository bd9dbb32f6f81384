#!/usr/bin/env node
// make bench: headgate against a bare libmicrohttpd server that answers 204 to the same bytes. One generator (load.c)
// drives both in turns, at the same number of connections; the forwarder is on (files sink) and must have caught up
// within 5 s after each run. Prints "ratio NAME VALUE want W" and "figure NAME VALUE UNIT"; exits 0 unless something broke.
//   ratio   events a second of headgate / single 950-byte requests a second of the bare server, median of the rounds
//   cpu     user and system time of the daemon, all threads, from the run's start until it has caught up
// BENCH_SECONDS (5) and BENCH_ROUNDS (3) shorten it; BENCH_ONLY=single_os,… picks ratios, "none" leaves them out.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Headgate, binary, build, sleep, waitFor } from '../integration/lib/headgate.mjs';

const run = promisify(execFile);
const SECONDS = Number(process.env.BENCH_SECONDS || 5);
const ROUNDS = Number(process.env.BENCH_ROUNDS || 3);
const ONLY = process.env.BENCH_ONLY?.split(',');
const CATCH_UP_S = 5;
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const RATIOS = [
	{ name: 'single_os', want: 0.6, durability: 'os', connections: 64, batch: 1 },
	{ name: 'single_disk_64', want: 0.2, durability: 'disk', connections: 64, batch: 1 },
	{ name: 'single_disk_512', want: 0.35, durability: 'disk', connections: 512, batch: 1 },
	{ name: 'batch_os', want: 3.5, durability: 'os', connections: 16, batch: 100 },
];

// On the file system of the build folder: a temporary folder may be memory, where a sync costs nothing.
const scratch = join(build, 'bench', 'data');
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const ratio = (name, value, want) => console.log(`ratio ${name} ${value.toFixed(3)} want ${want}`);
const figure = (name, value, unit) => console.log(`figure ${name} ${typeof value === 'number' ? Number(value.toFixed(2)) : value} ${unit}`);
const note = (text) => console.error(`# ${text}`);

async function load(port, args) {
	const { stdout, stderr } = await run(join(build, 'bench/load'), ['--port', String(port), ...args.map(String)], { timeout: (SECONDS + 60) * 1000 });
	if (stderr) note(stderr.trim().slice(0, 600));
	const words = stdout.trim().split(' ');
	const result = Object.fromEntries(words.flatMap((w, i) => (i % 2 ? [] : [[w, Number(words[i + 1])]])));
	if (result.errors > 0) note(`${result.errors} errors of ${result.requests} requests`);
	return result;
}

async function startBare() {
	const child = spawn(join(build, 'bench/bare'), [String(availableParallelism())], { stdio: ['pipe', 'pipe', 'inherit'] });
	let out = '';
	child.stdout.on('data', (d) => (out += d));
	await waitFor(() => /^listening (\d+)\n/.test(out), { what: 'the bare server' });
	return { port: Number(out.match(/\d+/)[0]), stop: () => new Promise((done) => child.once('exit', done) && child.stdin.end()) };
}

async function startHeadgate(config = {}) {
	mkdirSync(scratch, { recursive: true });
	const dataDir = mkdtempSync(join(scratch, 'run-'));
	const hg = await Headgate.start({ dataDir, config: { lanes: 'auto', log_level: 'warn', journal: { file_bytes: '64MiB', disk_budget_bytes: '16GiB' }, ...config } });
	hg.stop = async () => {
		await hg.close();
		rmSync(dataDir, { recursive: true, force: true });
	};
	return hg;
}

// Fields 14 and 15, counted behind the command's closing parenthesis.
function cpuSeconds(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
	return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
function memoryMiB(pid, field) {
	return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'))[1]) / 1024;
}

async function caughtUp(hg) {
	const began = Date.now();
	await hg.drained(60_000).catch((e) => note(e.message));
	return (Date.now() - began) / 1000;
}

async function measureRatio({ name, want, durability, connections, batch }, bare) {
	const hg = await startHeadgate({ durability });
	const shape = ['--seconds', SECONDS, '--connections', connections];
	const rounds = [];
	try {
		await load(hg.port, ['--seconds', 1, '--connections', connections, '--batch', batch]);
		await caughtUp(hg);
		for (let i = 0; i < ROUNDS; i++) {
			execFileSync('sync'); // what the last run left to the disk is not this run's
			const base = await load(bare.port, shape);
			const cpu = cpuSeconds(hg.pid);
			const own = await load(hg.port, [...shape, '--batch', batch]);
			const behind = await caughtUp(hg);
			const cpuMicros = ((cpuSeconds(hg.pid) - cpu) * 1e6) / Math.max(1, own.events);
			rounds.push({ base, own, behind, cpuMicros, ratio: own.events_per_second / base.requests_per_second });
			note(`${name}: bare ${base.requests_per_second}/s, headgate ${own.events_per_second} events/s, ratio ${rounds.at(-1).ratio.toFixed(3)}, p99 ${own.p99_us} us, caught up after ${behind.toFixed(1)} s`);
		}
		const of = (f) => median(rounds.map(f));
		ratio(name, of((r) => r.ratio), want);
		figure(`${name}_bare`, of((r) => r.base.requests_per_second), 'requests/s');
		figure(`${name}_events`, of((r) => r.own.events_per_second), 'events/s');
		figure(`${name}_p50`, of((r) => r.own.p50_us), 'us');
		figure(`${name}_p99`, of((r) => r.own.p99_us), 'us');
		figure(`${name}_bare_p99`, of((r) => r.base.p99_us), 'us');
		figure(`${name}_cpu_per_event`, of((r) => r.cpuMicros), 'us');
		figure(`${name}_errors`, rounds.reduce((n, r) => n + r.own.errors + r.base.errors, 0), 'requests');
		const slowest = Math.max(...rounds.map((r) => r.behind));
		figure(`${name}_caught_up_after`, slowest, `s${slowest > CATCH_UP_S ? ` (NOT within ${CATCH_UP_S} s)` : ''}`);
		figure(`${name}_rss`, memoryMiB(hg.pid, 'VmRSS'), 'MiB');
		const metrics = await hg.metrics();
		figure(`${name}_disk_held`, metrics.get('headgate_journal_disk_bytes') / 2 ** 20, 'MiB');
		figure(`${name}_disk_budget`, metrics.get('headgate_journal_disk_budget_bytes') / 2 ** 20, 'MiB');
	} finally {
		await hg.stop();
	}
}

async function measureStart() {
	const times = [];
	let idle;
	for (let i = 0; i < 5; i++) {
		const hg = await startHeadgate();
		times.push(hg.startedInMs);
		if (i === 4) {
			await sleep(2000);
			idle = memoryMiB(hg.pid, 'VmRSS');
		}
		await hg.stop();
	}
	figure('start', median(times), 'ms (want <= 100)');
	figure('idle_rss', idle, 'MiB (want <= 24)');
}

async function measureConnections(wanted = 10_000) {
	const files = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim().replace('unlimited', '1000000'));
	const count = Math.min(wanted, files - 500);
	if (count < wanted) note(`the limit of open files (${files}) allows ${count} connections`);
	const hg = await startHeadgate();
	const child = spawn(join(build, 'bench/load'), ['--port', String(hg.port), '--connections', String(count), '--once', '--hold', '--seconds', '60'], { stdio: ['pipe', 'pipe', 'inherit'] });
	let out = '';
	child.stdout.on('data', (d) => (out += d));
	try {
		await waitFor(() => out.includes('\n'), { deadlineMs: 90_000, what: 'an answer on each connection' });
		await caughtUp(hg);
		await sleep(1000);
		figure('connections_held', (await hg.metrics()).get('headgate_connections'), `of ${count}`);
		figure('connections_errors', Number(out.match(/errors (\d+)/)[1]), 'requests');
		figure('connections_rss', memoryMiB(hg.pid, 'VmRSS'), 'MiB (want <= 400)');
	} finally {
		child.stdin.end();
		await new Promise((done) => (child.exitCode === null ? child.once('exit', done) : done()));
		await hg.stop();
	}
}

function measureBinary() {
	const copy = join(build, 'bench/headgate.stripped');
	copyFileSync(binary, copy);
	execFileSync('strip', [copy]);
	figure('stripped_binary', statSync(copy).size / 2 ** 20, 'MiB (want <= 1)');
}

if (!existsSync(binary)) throw new Error(`${binary} is not built`);
rmSync(scratch, { recursive: true, force: true });
console.log(`machine ${cpus().length} x ${cpus()[0].model.trim()}, shared with the generator; files sink; ${ROUNDS} rounds of ${SECONDS} s; purchase events of 950 bytes`);
measureBinary();
await measureStart();
await measureConnections();
const bare = await startBare();
try {
	for (const each of RATIOS) if (!ONLY || ONLY.includes(each.name)) await measureRatio(each, bare);
} finally {
	await bare.stop();
	rmSync(scratch, { recursive: true, force: true });
}
