#!/usr/bin/env node
// What exactly_once costs, against a real broker on the same machine: the same journal drained in either mode, in turns, and
// the forwarder's processor time per event. With --lag MINUTES also whether the lag stays flat at 80 % of the intake that
// the same run measured with forwarding on. Only ratios mean anything on a shared machine.
//   kafka.mjs [--events 300000] [--rounds 5] [--lag MINUTES]
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Headgate, build, sleep, waitFor } from '../integration/lib/headgate.mjs';
import { Kafka } from '../integration/lib/kafka.mjs';
import { freePort } from '../integration/lib/wait.mjs';

const option = (name, fallback) => (process.argv.includes(name) ? Number(process.argv[process.argv.indexOf(name) + 1]) : fallback);
const EVENTS = option('--events', 300_000), ROUNDS = option('--rounds', 5), LAG_MINUTES = option('--lag', 0);
const MODES = ['at_least_once', 'exactly_once'];
const TICKS = 100;
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const note = (text) => console.error(text);
const figure = (name, value, unit) => console.log(`${name} ${value} ${unit}`);

const settings = (bootstrap, mode) => ({
	sources: { dev: { kind: 'browser', keys: ['dev'], origins: ['http://localhost:*'], consent_defaults: { analytics: 'granted', ads: 'granted' } } },
	journal: { file_bytes: '64MiB', disk_budget_bytes: '8GiB' },
	topics: { partitions: 3 },
	forward: { mode },
	kafka: { 'bootstrap.servers': bootstrap },
});

function load(port, args) {
	return new Promise((done, fail) => {
		const child = spawn(join(build, 'bench/load'), ['--port', String(port), ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
		let out = '';
		child.stdout.on('data', (d) => (out += d));
		child.once('close', (code) => {
			const words = out.trim().split(/\s+/), result = {};
			for (let i = 0; i + 1 < words.length; i += 2) result[words[i]] = Number(words[i + 1]);
			code === 0 ? done(result) : fail(new Error(`load: exit ${code}: ${out}`));
		});
	});
}

// Seconds of processor time by thread: the forwarder's own, librdkafka's.
function threadSeconds(pid) {
	const sum = { forwarder: 0, librdkafka: 0 };
	for (const task of readdirSync(`/proc/${pid}/task`)) {
		const text = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
		const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
		const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
		const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS;
		if (name === 'forwarder') sum.forwarder += seconds;
		else if (name.startsWith('rdk:')) sum.librdkafka += seconds;
	}
	return sum;
}

// A journal filled while no broker is there, then drained: events a second from the first to the last record.
async function drain(kafka, mode) {
	const hg = await Headgate.start({ config: settings(`127.0.0.1:${await freePort()}`, mode) });
	try {
		while ((await hg.metrics()).get('headgate_records_total', { state: 'accepted' }) < EVENTS)
			await load(hg.port, ['--connections', 16, '--batch', 50, '--seconds', 1]);
		await hg.restart({ config: settings(kafka.bootstrap, mode) });
		const delivered = async () => (await hg.metrics()).get('headgate_records_total', { state: 'delivered' });
		const first = await waitFor(delivered, { deadlineMs: 60_000, everyMs: 5, what: 'the first round' });
		const began = process.hrtime.bigint(), before = threadSeconds(hg.pid);
		const last = (await hg.metrics()).get('headgate_records_total', { state: 'accepted' });
		await waitFor(async () => (await delivered()) >= last, { deadlineMs: 300_000, everyMs: 5, what: 'all delivered' });
		const seconds = Number(process.hrtime.bigint() - began) / 1e9, after = threadSeconds(hg.pid), events = last - first;
		const micros = (name) => ((after[name] - before[name]) * 1e6) / events;
		const rebuilds = (await hg.metrics()).get('headgate_producer_rebuilds_total');
		return { rate: events / seconds, forwarder: micros('forwarder'), librdkafka: micros('librdkafka'), rebuilds };
	} finally {
		await hg.close();
	}
}

async function compare(kafka) {
	const rounds = { at_least_once: [], exactly_once: [] };
	await drain(kafka, MODES[0]); // a broker that has just begun is slow
	for (let i = 0; i < ROUNDS; i++) {
		for (const mode of i % 2 ? [...MODES].reverse() : MODES) {
			const result = await drain(kafka, mode);
			rounds[mode].push(result);
			note(`${mode}: ${Math.round(result.rate)} events/s, forwarder ${result.forwarder.toFixed(2)} us, librdkafka ${result.librdkafka.toFixed(2)} us an event, ${result.rebuilds} rebuilds`);
		}
	}
	for (const mode of MODES) {
		const of = (name) => median(rounds[mode].map((r) => r[name]));
		figure(`${mode}_throughput`, Math.round(of('rate')), 'events/s');
		figure(`${mode}_forwarder_cpu`, of('forwarder').toFixed(2), 'us/event');
		figure(`${mode}_librdkafka_cpu`, of('librdkafka').toFixed(2), 'us/event');
	}
	const ratio = median(rounds.exactly_once.map((r, i) => r.rate / rounds.at_least_once[i].rate));
	figure('exactly_once_ratio', ratio.toFixed(3), `of at_least_once (want >= 0.9)${ratio < 0.9 ? ' NOT MET' : ''}`);
}

// Records pending, each second; flat: the last third holds no more than the first, but for one round's worth.
async function watchLag(kafka) {
	const hg = await Headgate.start({ config: settings(kafka.bootstrap, 'exactly_once') });
	try {
		const full = await load(hg.port, ['--connections', 32, '--seconds', 20]);
		await hg.drained(120_000);
		const rate = Math.floor(full.events_per_second * 0.8), samples = [];
		note(`intake with forwarding on: ${full.events_per_second} events/s; ${LAG_MINUTES} minutes at ${rate}`);
		const running = load(hg.port, ['--connections', 32, '--rate', rate, '--seconds', Math.round(LAG_MINUTES * 60)]);
		let done = false;
		running.finally(() => (done = true));
		while (!done) {
			samples.push((await hg.metrics()).get('headgate_forward_pending_records'));
			await sleep(1000);
		}
		const result = await running, third = Math.floor(samples.length / 3);
		const early = median(samples.slice(0, third)), late = median(samples.slice(-third));
		const flat = late <= early + 10_000, held = result.events_per_second >= rate * 0.98 && result.errors === 0;
		figure('intake_capacity', full.events_per_second, 'events/s');
		figure('lag_rate', result.events_per_second, `events/s, ${result.errors} errors${held ? '' : ' RATE NOT HELD'}`);
		figure('lag_first_third', early, 'records');
		figure('lag_last_third', late, `records${flat ? '' : ' NOT FLAT'}`);
		figure('lag_most', Math.max(...samples), 'records');
		if (!flat || !held) process.exitCode = 1;
	} finally {
		await hg.close();
	}
}

const kafka = await Kafka.start({ brokers: 1 });
try {
	await compare(kafka);
	if (LAG_MINUTES) await watchLag(kafka);
} finally {
	await kafka.close();
}
