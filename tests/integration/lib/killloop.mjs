// Rounds of kill -9 under load against a Kafka of three brokers behind proxies, with kills and pauses of brokers and cut,
// reset and swallowed connections among them. Clients send one batch after the other and repeat each until it is answered
// 200. The oracle asks an independent read_committed consumer: acked ⊆ delivered ⊆ sent, no id twice, order kept.
import { execFile } from 'node:child_process';
import http from 'node:http';
import { Headgate, binary, cleanEnv, pageView, sleep, waitFor } from './headgate.mjs';
import { Kafka } from './kafka.mjs';
import { Proxy } from './proxy.mjs';
import { freePort } from './wait.mjs';

// A broker's start waits for a processor as well.
const BROKER_MS = 300_000;

// A number that reproduces the choices of a run (not its timing).
function generator(seed) {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

// Sends without end, one request at a time, each batch until it is answered; what was under way when a connection broke is
// repeated under the same ids on the next one. A client has one key, so that its events share a partition.
class Client {
	constructor(loop, name) {
		Object.assign(this, { loop, name, running: true, sent: [], acked: [], tries: 0 });
		this.done = this.run();
	}

	connect() {
		this.agent?.destroy();
		this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	}

	batch() {
		const size = this.loop.random() < 0.2 ? 1 + Math.floor(this.loop.random() * 40) : 1;
		const events = Array.from({ length: size }, () => pageView({ user_id: this.name }));
		for (const event of events) this.sent.push({ id: event.event_id, key: this.name });
		return events;
	}

	// A batch that may have been stored goes out again as it was.
	async deliver(events) {
		while (this.running) {
			this.tries++;
			const answer = await this.loop.headgate.post(events, { agent: this.agent, timeoutMs: 10_000 }).catch(() => null);
			if (answer?.status === 200) return true;
			if (answer && answer.status !== 503) throw new Error(`${answer.status}: ${answer.text}`);
			if (!answer) this.connect();
			await sleep(20);
		}
		return false;
	}

	async run() {
		this.connect();
		while (this.running) {
			const first = this.sent.length;
			if (!(await this.deliver(this.batch()))) return;
			for (let i = first; i < this.sent.length; i++) this.acked.push(this.sent[i]);
			await sleep(this.loop.pauseMs);
		}
	}
}

export class KillLoop {
	static async start({ seed = Date.now() % 1e9, clients = 4, pauseMs = 10, note = console.error, durability = 'os' } = {}) {
		const loop = new KillLoop();
		Object.assign(loop, { seed, random: generator(seed), note, pauseMs, faults: {}, busy: null, failed: null, kills: 0, rebuilds: 0, topic: 'headgate.events' });
		loop.proxies = [];
		for (let i = 0; i < 3; i++) loop.proxies.push(await Proxy.start({ to: null }));
		loop.kafka = await Kafka.start({ brokers: 3, advertise: loop.proxies.map((p) => p.port) });
		loop.proxies.forEach((proxy, i) => (proxy.to = loop.kafka.brokers[i].clientPort));
		const config = {
			durability,
			journal: { file_bytes: '1MiB' },
			topics: { partitions: 3 },
			forward: { mode: 'exactly_once' },
			kafka: { 'bootstrap.servers': loop.kafka.bootstrap, 'socket.timeout.ms': 6000, 'request.timeout.ms': 5000, 'transaction.timeout.ms': 20_000 },
		};
		loop.headgate = await Headgate.start({ config, listen: `127.0.0.1:${await freePort()}` });
		await waitFor(async () => (await loop.headgate.status()).forwarder.state === 'running', { deadlineMs: 60_000, what: 'forwarding' });
		loop.clients = Array.from({ length: clients }, (_, i) => new Client(loop, `c${i}`));
		return loop;
	}

	pick(list) { return list[Math.floor(this.random() * list.length)]; }
	count(what) { this.faults[what] = (this.faults[what] ?? 0) + 1; }

	// One broker at a time is away, so that what needs two of three goes on; back in good time, whatever comes.
	async awayFor(what, ms, leave, comeBack) {
		this.count(what);
		await leave();
		await sleep(ms);
		await comeBack();
	}

	brokerFault() {
		const broker = this.pick(this.kafka.brokers), ms = 300 + this.random() * 3000;
		if (this.random() < 0.5) return this.awayFor('broker killed', ms, () => broker.kill(), () => broker.start(BROKER_MS));
		return this.awayFor('broker paused', ms, () => broker.pause(), () => broker.resume());
	}

	networkFault() {
		const proxy = this.pick(this.proxies);
		const [what, act] = this.pick([
			['connections reset', () => proxy.reset()],
			['connections cut', () => proxy.cut()],
			['all connections reset', () => this.proxies.forEach((p) => p.reset())],
			['bytes swallowed', () => proxy.blackhole()],
			['connections refused', () => proxy.refuse()],
			['delayed', () => proxy.delay(150)],
		]);
		return this.awayFor(what, 100 + this.random() * 1500, act, () => proxy.heal());
	}

	// Something happens to Kafka or the way there, and while it lasts or after it headgate is killed. Some rounds are long
	// enough for headgate to get over it by itself.
	async round() {
		if (this.failed) throw this.failed;
		if (!this.busy && this.random() < 0.35) this.busy = this.brokerFault().catch((e) => (this.failed = e)).finally(() => (this.busy = null));
		const lifeMs = this.random() < 0.25 ? 1500 + this.random() * 4000 : 100 + this.random() * 1400;
		const fault = this.random() < 0.5 ? sleep(this.random() * lifeMs).then(() => this.networkFault()) : null;
		await sleep(lifeMs);
		await this.headgate.kill9();
		this.kills++;
		this.rebuilds += this.headgate.stderr.split('kafka_producer_rebuilt').length - 1;
		await sleep(this.random() * 100);
		await this.headgate.restart();
		await fault;
	}

	async rounds(count) {
		for (let i = 1; i <= count; i++) {
			await this.round();
			if (i % 10 === 0) this.note(`kill loop: ${i} of ${count}, ${this.clients.reduce((n, c) => n + c.acked.length, 0)} answered`);
		}
	}

	// One of three brokers away for a while, nothing else: how many producers that costs.
	async oneBrokerAway(ms) {
		await this.busy;
		const count = async () => (await this.headgate.metrics()).get('headgate_producer_rebuilds_total');
		await waitFor(async () => (await this.headgate.status()).forwarder.state === 'running', { deadlineMs: 120_000, what: 'forwarding' });
		const before = await count();
		const broker = this.kafka.brokers[0];
		await broker.kill();
		await sleep(ms);
		await broker.start(BROKER_MS);
		return (await count()) - before;
	}

	// Lets everything come to rest and asks the oracle; throws at the first thing that is wrong.
	async judge({ deadlineMs = 120_000 } = {}) {
		await this.busy;
		this.clients.forEach((c) => (c.running = false));
		await Promise.all(this.clients.map((c) => c.done));
		await this.headgate.drained(deadlineMs);
		const sent = new Map(), acked = new Set(), seen = new Set();
		for (const client of this.clients) {
			client.sent.forEach((e, i) => sent.set(e.id, { ...e, order: i }));
			client.acked.forEach((e) => acked.add(e.id));
		}
		// Markers of the last commit may still be on their way to some partition.
		const verdict = await waitFor(async () => {
			seen.clear();
			const wrong = { twice: [], unknown: [], disorder: [] }, last = new Map();
			await this.kafka.scan(this.topic, ({ id, partition }) => {
				const event = sent.get(id);
				if (seen.has(id)) wrong.twice.push(id);
				seen.add(id);
				if (!event) return void wrong.unknown.push(id);
				const before = last.get(event.key);
				if (before && (event.order < before.order || partition !== before.partition)) wrong.disorder.push(id);
				last.set(event.key, { order: event.order, partition });
			});
			for (const [what, ids] of Object.entries(wrong)) if (ids.length) return `${what}: ${ids.length}, the first ${ids.slice(0, 3)}`;
			const lost = [...acked].filter((id) => !seen.has(id));
			if (lost.length) throw new Error(`${lost.length} answered events are not there, the first ${lost.slice(0, 3)}`);
			return 'sound';
		}, { deadlineMs: 60_000, everyMs: 1000, what: 'the oracle' });
		if (verdict !== 'sound') throw new Error(verdict);
		await this.audit();
		return { kills: this.kills, seed: this.seed, sent: sent.size, acked: acked.size, delivered: seen.size, faults: this.faults, tries: this.clients.reduce((n, c) => n + c.tries, 0), rebuilds: this.rebuilds };
	}

	// headgate's own proof, by positions: no gap either. The proxies live in this process: it must not wait.
	audit() {
		const { headgate: hg } = this;
		return new Promise((done, fail) => {
			execFile(binary, ['audit', '--config', hg.configFile, '--data-dir', hg.dataDir], { env: cleanEnv, maxBuffer: 1 << 26 }, (e, stdout, stderr) => (e ? fail(new Error(`audit: exit ${e.code}\n${stdout.slice(-4000)}${stderr}`)) : done()));
		});
	}

	async close() {
		this.clients?.forEach((c) => (c.running = false));
		await this.headgate?.close();
		await this.kafka?.close();
		await Promise.all(this.proxies.map((p) => p.close()));
	}
}
