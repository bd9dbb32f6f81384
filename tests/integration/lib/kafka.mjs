// A real Apache Kafka (KRaft) of one or three brokers on loopback, in a folder of its own, and what tests ask of it.
// Topics are read with kcat, a process of its own that knows nothing of headgate; read_committed, from the beginning.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, waitFor } from './wait.mjs';

const run = promisify(execFile);
const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const JAVA = ['-Xmx320m', '-Xms128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-Djava.awt.headless=true'];
const QUIET = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
const CLUSTER = 'aGVhZGdhdGUtdGVzdHMtMQ'; // 16 bytes in base64url

let jars;
export function kafkaJars() {
	jars ??= execFileSync(join(root, 'tests/tools/kafka.sh'), ['fetch'], { encoding: 'utf8' }).trim().split('\n').pop();
	return jars;
}

const reachable = (port) => new Promise((done) => {
	const socket = connect({ port, host: '127.0.0.1' }, () => { socket.destroy(); done(true); }).once('error', () => done(false));
});

class Broker {
	// port: what brokers and those who look on use; clientPort: what clients use, or a proxy in front of it.
	constructor(kafka, id, [port, clientPort, controllerPort], dir) {
		Object.assign(this, { kafka, id, port, clientPort, controllerPort, dir, child: null, log: join(dir, 'broker.log') });
	}

	writeProperties() {
		const { kafka } = this;
		const replicas = Math.min(3, kafka.count);
		const advertised = kafka.advertised?.[this.id - 1] ?? this.clientPort;
		const properties = {
			'process.roles': 'broker,controller',
			'node.id': this.id,
			'controller.quorum.voters': kafka.brokers.map((b) => `${b.id}@127.0.0.1:${b.controllerPort}`).join(','),
			'controller.listener.names': 'CONTROLLER',
			'inter.broker.listener.name': 'PLAINTEXT',
			listeners: `PLAINTEXT://127.0.0.1:${this.port},CLIENT://127.0.0.1:${this.clientPort},CONTROLLER://127.0.0.1:${this.controllerPort}`,
			'advertised.listeners': `PLAINTEXT://127.0.0.1:${this.port},CLIENT://127.0.0.1:${advertised}`,
			'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT',
			'log.dirs': join(this.dir, 'log'),
			'auto.create.topics.enable': false,
			'num.partitions': 3,
			'default.replication.factor': replicas,
			'offsets.topic.replication.factor': replicas,
			'offsets.topic.num.partitions': 1,
			'transaction.state.log.replication.factor': replicas,
			'transaction.state.log.min.isr': Math.min(2, replicas),
			'transaction.state.log.num.partitions': 1,
			'min.insync.replicas': Math.min(2, replicas),
			'group.initial.rebalance.delay.ms': 0,
			'num.network.threads': 2,
			'num.io.threads': 2,
			'num.recovery.threads.per.data.dir': 1,
			'log.cleaner.dedupe.buffer.size': 4 * 1024 * 1024,
			'log.cleaner.threads': 1,
			// A restarted broker is let back at once, and a stopped one given up soon.
			'broker.session.timeout.ms': 4000,
			'broker.heartbeat.interval.ms': 500,
			'controlled.shutdown.enable': kafka.count > 1,
			...kafka.properties,
		};
		this.config = join(this.dir, 'server.properties');
		writeFileSync(this.config, Object.entries(properties).map(([k, v]) => `${k}=${v}\n`).join(''));
	}

	async format() {
		await run('java', [...JAVA, QUIET, '-cp', `${kafkaJars()}/*`, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER, '-c', this.config]);
	}

	spawn() {
		const out = createWriteStream(this.log, { flags: 'a' });
		this.child = spawn('java', [...JAVA, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
			'-Dorg.slf4j.simpleLogger.showDateTime=true', '-cp', `${kafkaJars()}/*`, 'kafka.Kafka', this.config], { stdio: ['ignore', 'pipe', 'pipe'] });
		this.child.stdout.pipe(out);
		this.child.stderr.pipe(out);
		const child = this.child;
		this.exited = new Promise((done) => child.once('exit', (code, signal) => { if (this.child === child) this.child = null; done({ code, signal }); }));
	}

	async ready(deadlineMs = 60_000) {
		await waitFor(async () => {
			if (!this.child) throw new Error(`broker ${this.id} exited:\n${this.tail()}`);
			return reachable(this.port);
		}, { deadlineMs, everyMs: 50, what: `broker ${this.id} on port ${this.port}` });
	}

	tail() {
		return existsSync(this.log) ? readFileSync(this.log, 'utf8').split('\n').slice(-25).join('\n') : '';
	}

	async end(signal) {
		if (!this.child) return;
		this.child.kill('SIGCONT');
		this.child.kill(signal);
		await this.exited;
	}
	stop() { return this.end('SIGTERM'); }
	kill() { return this.end('SIGKILL'); }
	pause() { this.child.kill('SIGSTOP'); }
	resume() { this.child.kill('SIGCONT'); }
	async start(deadlineMs = 60_000) {
		this.spawn();
		await this.ready(deadlineMs);
	}
	async restart() {
		await this.stop();
		await this.start();
	}
}

export class Kafka {
	// brokers: 1 or 3; properties: more broker properties; advertise: ports that clients are told instead of the brokers'
	// own (a proxy's), one per broker.
	static async start({ brokers = 1, properties = {}, advertise = null } = {}) {
		const began = Date.now();
		const kafka = new Kafka();
		Object.assign(kafka, { count: brokers, properties, advertised: advertise, dir: mkdtempSync(join(tmpdir(), 'headgate-kafka-')), brokers: [] });
		for (let id = 1; id <= brokers; id++) {
			const dir = join(kafka.dir, `broker-${id}`);
			mkdirSync(dir);
			kafka.brokers.push(new Broker(kafka, id, [await freePort(), await freePort(), await freePort()], dir));
		}
		// A test that dies must not leave a broker behind.
		process.once('exit', () => kafka.brokers.forEach((b) => b.child?.kill('SIGKILL')));
		try {
			for (const broker of kafka.brokers) broker.writeProperties();
			await Promise.all(kafka.brokers.map((b) => b.format()));
			kafka.brokers.forEach((b) => b.spawn());
			await Promise.all(kafka.brokers.map((b) => b.ready()));
			await waitFor(async () => (await kafka.metadata()).brokers.length === brokers, { deadlineMs: 60_000, everyMs: 200, what: `${brokers} brokers in the cluster` });
		} catch (e) {
			kafka.brokers.forEach((b) => b.child && console.error(b.tail()));
			await kafka.close();
			throw e;
		}
		console.error(`kafka: ${brokers} broker${brokers > 1 ? 's' : ''} ready after ${((Date.now() - began) / 1000).toFixed(1)} s on ${kafka.bootstrap}`);
		return kafka;
	}

	get bootstrap() {
		return this.brokers.map((b) => `127.0.0.1:${this.advertised?.[b.id - 1] ?? b.clientPort}`).join(',');
	}
	// Past any proxy.
	get direct() {
		return this.brokers.map((b) => `127.0.0.1:${b.port}`).join(',');
	}

	async metadata() {
		const { stdout } = await run('kcat', ['-b', this.direct, '-L', '-J', '-m', '5']);
		return JSON.parse(stdout);
	}
	async topics() {
		return (await this.metadata()).topics.map((t) => t.topic).filter((t) => !t.startsWith('__'));
	}

	tool(name, args) {
		return run('java', [...JAVA, QUIET, '-cp', `${kafkaJars()}/*`, name, '--bootstrap-server', this.direct, ...args]);
	}
	async createTopic(name, { partitions = 1, replication = this.count, config = {} } = {}) {
		await this.tool('org.apache.kafka.tools.TopicCommand', ['--create', '--topic', name, '--partitions', String(partitions), '--replication-factor', String(replication),
			...Object.entries(config).flatMap(([k, v]) => ['--config', `${k}=${v}`])]);
	}
	// { partitions, replication, config: {…} }
	async describeTopic(name) {
		const { stdout } = await this.tool('org.apache.kafka.tools.TopicCommand', ['--describe', '--topic', name]);
		const config = stdout.match(/Configs: *(\S*)/)?.[1] ?? '';
		return {
			partitions: Number(stdout.match(/PartitionCount: *(\d+)/)[1]),
			replication: Number(stdout.match(/ReplicationFactor: *(\d+)/)[1]),
			config: Object.fromEntries(config.split(',').filter(Boolean).map((p) => p.split('='))),
		};
	}

	// Everything the topic holds, as { partition, offset, timestamp, key, headers: {name: value}, value (text) }, in the
	// order of (partition, offset). A topic that does not exist is empty.
	async consume(topic, { committed = true } = {}) {
		if (!(await this.topics()).includes(topic)) return [];
		const out = await new Promise((done, fail) => {
			const child = spawn('kcat', ['-b', this.direct, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-J',
				'-X', `isolation.level=${committed ? 'read_committed' : 'read_uncommitted'}`, '-X', 'check.crcs=true'], { stdio: ['ignore', 'pipe', 'pipe'] });
			const chunks = [];
			let errors = '';
			child.stdout.on('data', (d) => chunks.push(d));
			child.stderr.on('data', (d) => (errors += d));
			child.on('close', (code) => (code === 0 ? done(Buffer.concat(chunks).toString('utf8')) : fail(new Error(`kcat: exit ${code}: ${errors}`))));
			child.on('error', fail);
		});
		return out.split('\n').filter(Boolean).map((line) => {
			const record = JSON.parse(line);
			const headers = {};
			for (let i = 0; i + 1 < (record.headers?.length ?? 0); i += 2) headers[record.headers[i]] = record.headers[i + 1];
			return { partition: record.partition, offset: record.offset, timestamp: record.ts, key: record.key, headers, value: record.payload };
		}).sort((a, b) => a.partition - b.partition || a.offset - b.offset);
	}

	// As consume, but record by record, for topics that hold more than fits a string: { partition, offset, key, id, position }.
	async scan(topic, each) {
		const child = spawn('kcat', ['-b', this.direct, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%p\t%o\t%k\t%h\n',
			'-X', 'isolation.level=read_committed', '-X', 'check.crcs=true'], { stdio: ['ignore', 'pipe', 'inherit'] });
		const exited = new Promise((done) => child.once('close', done));
		for await (const line of createInterface({ input: child.stdout })) {
			const [partition, offset, key, headers] = line.split('\t');
			each({ partition: Number(partition), offset: Number(offset), key, id: headers.match(/(?:^|,)ce_id=([^,]*)/)?.[1], position: headers.match(/(?:^|,)headgate-position=([^,]*)/)?.[1] });
		}
		const code = await exited;
		if (code !== 0) throw new Error(`kcat: exit ${code}`);
	}

	async close() {
		await Promise.all(this.brokers.map((b) => b.kill()));
		rmSync(this.dir, { recursive: true, force: true });
	}
}
