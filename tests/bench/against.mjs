#!/usr/bin/env node
// This build against another one, say of an earlier commit: `tests/bench/against.mjs OTHER/headgate [SCHEMAS]`. The same
// generator drives both in turns, single events over keep-alive connections, durability os, files sink, everything
// granted; the order changes with each round. SCHEMAS: the other's catalog, if it cannot read this one.
//   ratio   events a second of this build / of the other, median of the rounds
//   cpu     user and system time of the daemon per event, all threads, until it has caught up; the least of the rounds,
//           since other work on the machine only adds to it
// The browser is one that returns: it sends the cookies that it got. BENCH_FIRST=1: one that never has any.
// BENCH_SECONDS (4), BENCH_ROUNDS (7), BENCH_BATCH (1), BENCH_CONNECTIONS (64).
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Headgate, binary, build, pageView, root } from '../integration/lib/headgate.mjs';

const [other, schemas] = process.argv.slice(2).map((p) => resolve(p));
if (!other) throw new Error('usage: against.mjs OTHER/headgate [SCHEMAS]');
const run = promisify(execFile);
const number = (name, fallback) => Number(process.env[name] || fallback);
const SECONDS = number('BENCH_SECONDS', 4), ROUNDS = number('BENCH_ROUNDS', 7);
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const scratch = join(build, 'bench', 'against');
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

async function start(name, path, catalog) {
	mkdirSync(scratch, { recursive: true });
	return Headgate.start({ binary: path, dataDir: mkdtempSync(join(scratch, `${name}-`)), config: { lanes: 'auto', log_level: 'warn', catalog: { dir: catalog }, journal: { file_bytes: '64MiB', disk_budget_bytes: '16GiB' } } });
}
function cpuSeconds(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
	return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
// What a browser would send from now on; an earlier build sets none.
async function cookieOf(hg) {
	const answer = await hg.post({ ...pageView(), consent: { analytics: 'granted', ads: 'granted' } });
	return process.env.BENCH_FIRST ? '' : (answer.headers['set-cookie'] ?? []).map((c) => c.split(';')[0]).join('; ');
}
async function load(hg, seconds) {
	const before = cpuSeconds(hg.pid);
	const { stdout } = await run(join(build, 'bench/load'), ['--port', hg.port, '--granted', '--seconds', seconds, '--connections', number('BENCH_CONNECTIONS', 64), '--batch', number('BENCH_BATCH', 1), ...(hg.cookie ? ['--cookie', hg.cookie] : [])].map(String));
	const words = stdout.trim().split(' ');
	const told = Object.fromEntries(words.flatMap((w, i) => (i % 2 ? [] : [[w, Number(words[i + 1])]])));
	if (told.errors) throw new Error(`${told.errors} errors`);
	await hg.drained(60_000);
	return { rate: told.events_per_second, cpu: ((cpuSeconds(hg.pid) - before) * 1e6) / told.events, p50: told.p50_us };
}

const pair = { this: await start('this', binary, join(root, 'schemas')), other: await start('other', other, schemas ?? join(root, 'schemas')) };
const rounds = [];
try {
	for (const hg of Object.values(pair)) hg.cookie = await cookieOf(hg);
	pair.other.cookie ||= pair.this.cookie;
	for (const hg of Object.values(pair)) await load(hg, 1);
	for (let i = 0; i < ROUNDS; i++) {
		const round = {};
		for (const name of i % 2 ? ['other', 'this'] : ['this', 'other']) {
			execFileSync('sync');
			round[name] = await load(pair[name], SECONDS);
		}
		rounds.push(round);
		console.error(`# this ${round.this.rate} events/s ${round.this.cpu.toFixed(2)} us, other ${round.other.rate} events/s ${round.other.cpu.toFixed(2)} us, ratio ${(round.this.rate / round.other.rate).toFixed(3)}`);
	}
} finally {
	for (const hg of Object.values(pair)) await hg.close();
	rmSync(scratch, { recursive: true, force: true });
}
const of = (f) => median(rounds.map(f));
const least = (name) => Math.min(...rounds.map((r) => r[name].cpu));
console.log(`ratio against ${of((r) => r.this.rate / r.other.rate).toFixed(3)} want 0.85`);
for (const name of ['this', 'other']) {
	console.log(`figure against_${name}_events ${of((r) => r[name].rate).toFixed(0)} events/s`);
	console.log(`figure against_${name}_cpu_per_event ${least(name).toFixed(2)} us`);
}
console.log(`figure against_cpu_ratio ${(least('this') / least('other')).toFixed(3)}`);
