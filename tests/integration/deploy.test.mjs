// deploy/: the systemd unit as systemd's own tools judge it, and nginx.conf as a real nginx runs it in front of the real
// binary; between the two stands a TCP proxy that counts the connections nginx makes. And README.md: its examples are run
// as they stand there and answered as it says.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Headgate, binary, build, pageView, purchase, root, uniqueId, waitFor } from './lib/headgate.mjs';
import { Proxy } from './lib/proxy.mjs';
import { freePort } from './lib/wait.mjs';

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const run = (command, args, options) => execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe', env: { ...process.env, PATH }, ...options });
const read = (path) => readFileSync(join(root, path), 'utf8');

// Fails when the text is not there: a file under test that changed must not slip through unchanged.
function replace(text, from, to) {
	assert.ok(text.includes(from), `not found: ${from}`);
	return text.replaceAll(from, to);
}

describe('systemd', () => {
	let dir;
	let unit;
	before(() => {
		dir = mkdtempSync(join(tmpdir(), 'headgate-unit-'));
		unit = join(dir, 'headgate.service');
		writeFileSync(unit, replace(read('deploy/headgate.service'), '/usr/local/bin/headgate', binary));
	});
	after(() => rmSync(dir, { recursive: true, force: true }));

	test('the unit is verified without a word', () => {
		assert.equal(run('systemd-analyze', ['verify', '--man=no', unit]), '');
		for (const socket of ['headgate.socket', 'headgate-admin.socket']) {
			writeFileSync(join(dir, socket), read(`deploy/${socket}`)); // beside its service
			assert.equal(run('systemd-analyze', ['verify', '--man=no', join(dir, socket)]), '');
		}
	});
	test('its exposure is at most 1.1', () => {
		const report = run('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=11', unit]);
		const level = Number(report.match(/Overall exposure level for headgate.service: ([\d.]+)/)[1]);
		assert.ok(level <= 1.1, report);
	});
	test('a stop is given longer than the drain takes', () => {
		const [, drain] = read('include/config/config_keys.def').match(/"drain_timeout_ms".*"\\"(\d+)s\\""/);
		const [, stop] = read('deploy/headgate.service').match(/^TimeoutStopSec=(\d+)s$/m);
		assert.ok(Number(stop) > Number(drain) + 5, `${stop} s against ${drain} s`);
	});
	test('the account is one that systemd-sysusers makes', () => {
		mkdirSync(join(dir, 'etc'));
		run('systemd-sysusers', [`--root=${dir}`, '-'], { input: read('deploy/headgate.sysusers') });
		assert.match(readFileSync(join(dir, 'etc/passwd'), 'utf8'), /^headgate:/m);
	});
	test('make install adapts the paths and leaves a configuration that is there alone', () => {
		const install = () => run('make', ['-C', root, 'install', `B=${build}`, `DESTDIR=${dir}/image`, 'PREFIX=/usr']);
		install();
		const image = (path) => readFileSync(join(dir, 'image', path), 'utf8');
		assert.match(image('usr/lib/systemd/system/headgate.service'), /^ExecStart=\/usr\/bin\/headgate /m);
		assert.equal(image('usr/lib/sysusers.d/headgate.conf'), read('deploy/headgate.sysusers'));
		for (const socket of ['headgate.socket', 'headgate-admin.socket']) assert.equal(image(`usr/lib/systemd/system/${socket}`), read(`deploy/${socket}`));
		assert.ok(existsSync(join(dir, 'image/usr/bin/headgate')));
		assert.ok(existsSync(join(dir, 'image/usr/share/headgate/schemas/events/purchase/1-0-0.json')));
		writeFileSync(join(dir, 'image/etc/headgate/headgate.jsonc'), '{}');
		install();
		assert.equal(image('etc/headgate/headgate.jsonc'), '{}');
	});
});

describe('nginx', () => {
	let dir;
	let hg;
	let proxy;
	let nginx;
	let port;
	let log = '';

	// The shipped file with ports, certificate and log replaced, inside the least main configuration.
	function writeConfig() {
		let conf = read('deploy/nginx.conf');
		conf = replace(conf, 'server 127.0.0.1:8080;', `server 127.0.0.1:${proxy.port};`);
		conf = replace(conf, '\tlisten [::]:443 ssl http2;\n', '');
		conf = replace(conf, 'listen 443 ssl http2;', `listen 127.0.0.1:${port} ssl http2;`);
		conf = replace(conf, '/etc/nginx/tls/events.example', `${dir}/server`);
		conf = replace(conf, '/var/log/nginx/headgate.error.log', 'stderr');
		writeFileSync(join(dir, 'headgate.conf'), conf);
		const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `\t${n}_temp_path ${dir}/tmp/${n};\n`).join('');
		writeFileSync(join(dir, 'nginx.conf'), `daemon off;\nworker_processes 1;\n${process.getuid() === 0 ? 'user root;\n' : ''}pid ${dir}/pid;\nerror_log stderr crit;\n` +
			`events { worker_connections 512; }\nhttp {\n\taccess_log off;\n${temporary}\tinclude ${dir}/headgate.conf;\n}\n`);
	}

	before(async () => {
		dir = mkdtempSync(join(tmpdir(), 'headgate-nginx-'));
		mkdirSync(join(dir, 'tmp'));
		run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=events.example',
			'-addext', 'subjectAltName=DNS:events.example', '-keyout', `${dir}/server.key`, '-out', `${dir}/server.pem`]);
		hg = await Headgate.start({ config: { http: { trusted_proxies: ['127.0.0.1'] } } });
		proxy = await Proxy.start({ to: hg.port });
		port = await freePort();
		writeConfig();
		const args = ['-e', 'stderr', '-p', dir, '-c', join(dir, 'nginx.conf')];
		run('nginx', [...args, '-t']);
		nginx = spawn('nginx', args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH } });
		nginx.stderr.on('data', (d) => (log += d));
		process.once('exit', () => nginx.exitCode ?? nginx.kill('SIGKILL'));
		await waitFor(async () => (await send('GET', '/')).status === 404, { what: 'nginx answers' });
		// A body or an answer that nginx wanted to write to a file now fails.
		rmSync(join(dir, 'tmp'), { recursive: true });
	});
	after(async () => {
		if (nginx && nginx.exitCode === null) {
			const ended = new Promise((done) => nginx.once('close', done));
			nginx.kill('SIGTERM');
			await ended;
		}
		await proxy?.close();
		await hg?.close();
		rmSync(dir, { recursive: true, force: true });
	});

	const ca = () => readFileSync(join(dir, 'server.pem'));
	function send(method, path, { body = null, headers = {}, localAddress = '127.0.0.1', agent = false } = {}) {
		return new Promise((done, fail) => {
			const req = https.request({ host: '127.0.0.1', port, servername: 'events.example', ca: ca(), method, path, localAddress, agent,
				headers: { host: 'events.example', ...headers }, timeout: 20_000 }, (res) => {
				const chunks = [];
				res.on('data', (c) => chunks.push(c));
				res.on('end', () => {
					const text = Buffer.concat(chunks).toString('utf8');
					let json;
					try { json = JSON.parse(text); } catch {}
					done({ status: res.statusCode, headers: res.headers, text, json });
				});
			});
			req.on('timeout', () => req.destroy(new Error(`no answer to ${method} ${path}\n${log}`)));
			req.on('error', fail);
			req.end(body);
		});
	}
	function post(event, { headers = {}, body = JSON.stringify(event), ...rest } = {}) {
		return send('POST', '/v1/events', { body, headers: { 'content-type': 'application/json', 'x-write-key': 'dev', 'content-length': Buffer.byteLength(body), ...headers }, ...rest });
	}
	function stored(id) {
		return waitFor(() => {
			const events = hg.files().map((f) => f.event).filter((e) => e.event_id === id);
			return events.length && events;
		}, { what: `event ${id} in the files` });
	}

	test('the address of the client arrives, and not the one it claims', async () => {
		const event = pageView();
		const answer = await post(event, { localAddress: '127.0.0.2', headers: { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9', 'x-real-ip': '203.0.113.9' } });
		assert.equal(answer.status, 200, answer.text);
		const [line] = await stored(event.event_id);
		assert.equal(line.context.ip, '127.0.0.2');
	});

	test('the certificate is checked and HTTP/2 spoken', async () => {
		const session = http2.connect(`https://127.0.0.1:${port}`, { ca: ca(), servername: 'events.example' });
		const event = pageView();
		const status = await new Promise((done, fail) => {
			session.on('error', fail);
			const req = session.request({ ':method': 'POST', ':path': '/v1/events', ':authority': 'events.example', 'content-type': 'application/json', 'x-write-key': 'dev' });
			req.on('response', (h) => done(h[':status']));
			req.on('error', fail);
			req.resume();
			req.end(JSON.stringify(event));
		}).finally(() => session.close());
		assert.equal(session.alpnProtocol, 'h2');
		assert.equal(status, 200);
		assert.equal((await stored(event.event_id)).length, 1);
	});

	test('many connections of clients become few to headgate', async () => {
		const begun = proxy.accepted;
		const ids = [];
		for (let i = 0; i < 25; i++) {
			const answers = await Promise.all(Array.from({ length: 4 }, () => {
				const event = pageView();
				ids.push(event.event_id);
				return post(event);
			}));
			for (const answer of answers) assert.equal(answer.status, 200, answer.text);
		}
		assert.ok(proxy.accepted - begun <= 8, `${proxy.accepted - begun} connections for 100 requests`);
		for (const id of ids) await stored(id);
		const seen = hg.files().map((f) => f.event.event_id);
		for (const id of ids) assert.equal(seen.filter((s) => s === id).length, 1);
	});

	test('a gzip body arrives as it is; a bomb is refused by headgate itself', async () => {
		const events = Array.from({ length: 200 }, () => purchase());
		const answer = await post(null, { body: gzipSync(JSON.stringify(events)), headers: { 'content-encoding': 'gzip' } });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.json.accepted, 200);
		const bomb = await post(null, { body: gzipSync(Buffer.alloc(8 << 20, ' ')), headers: { 'content-encoding': 'gzip' } });
		assert.equal(bomb.status, 413);
		assert.ok(bomb.headers['x-request-id'], 'this is not an answer of headgate');
	});

	test('a body just below the limit passes, in memory', async () => {
		const events = Array.from({ length: 900 }, () => pageView({ context: { page: { title: 'x'.repeat(900) } } }));
		const body = JSON.stringify(events);
		assert.ok(body.length > 900_000 && body.length < 1 << 20, String(body.length));
		assert.equal((await post(null, { body })).status, 200, log);
		const chunked = await send('POST', '/v1/validate', { body, headers: { 'x-write-key': 'dev', 'transfer-encoding': 'chunked' } });
		assert.equal(chunked.status, 200, log);
	});

	test('a body over the limit is refused, whether its length is told or not, and never reaches headgate', async () => {
		const received = proxy.bytes;
		const body = ' '.repeat((1 << 20) + 1);
		for (const headers of [{}, { 'content-length': undefined, 'transfer-encoding': 'chunked' }]) {
			const all = { 'content-type': 'application/json', 'x-write-key': 'dev', 'content-length': body.length, ...headers };
			for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
			const answer = await send('POST', '/v1/events', { body, headers: all });
			assert.equal(answer.status, 413, answer.text);
			assert.equal(answer.json.error.code, 'body_too_large');
		}
		assert.equal(proxy.bytes, received);
	});

	test('only /v1/ is there', async () => {
		for (const path of ['/', '/metrics', '/status', '/livez', '/v1/../metrics', '/v1/%2e%2e/metrics']) {
			const answer = await send('GET', path);
			assert.equal(answer.status, 404, path);
			assert.equal(answer.json.error.code, 'not_found');
		}
	});

	test('answers, headers and queries pass unchanged: pixel, preflight, refusal', async () => {
		const id = uniqueId();
		const pixel = await send('GET', `/v1/pixel.gif?key=dev&event=page_view&event_id=${id}&context.page.title=a%20b%2Bc`);
		assert.equal(pixel.status, 200);
		assert.equal(pixel.headers['content-type'], 'image/gif');
		assert.equal(pixel.headers['cache-control'], 'no-store');
		assert.equal((await stored(id))[0].context.page.title, 'a b+c');
		const preflight = await send('OPTIONS', '/v1/events', { headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' } });
		assert.equal(preflight.status, 204);
		assert.equal(preflight.headers['access-control-allow-origin'], 'http://localhost:3000');
		const wrong = await post(purchase({ properties: { value: -3 } }));
		assert.equal(wrong.status, 400);
		assert.equal(wrong.json.events[0].errors[0].path, '/properties/value');
		assert.ok(wrong.headers['x-request-id']);
		const keyless = await send('POST', '/v1/events', { body: '{}', headers: { 'content-type': 'application/json', 'content-length': 2 } });
		assert.equal(keyless.status, 401);
	});

	test('headgate away: 503 and when to come again; headgate back: accepted, once', async () => {
		const event = pageView();
		proxy.refuse();
		const away = await post(event);
		assert.equal(away.status, 503, away.text);
		assert.equal(away.headers['retry-after'], '5');
		assert.equal(away.json.error.code, 'unavailable');
		proxy.heal();
		assert.equal((await waitFor(async () => { const a = await post(event); return a.status === 200 && a; }, { what: 'nginx finds headgate again' })).status, 200);
		assert.equal((await stored(event.event_id)).length, 1);
	});
});

describe('README', () => {
	const text = read('README.md');
	// Ids that the server gives, and the white space of what is broken into lines for reading.
	const plain = (json) => json.replace(/\n */g, '').trim().replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID');

	test('its first events are answered as it says, and lie where it says', async (t) => {
		const hg = await Headgate.start({ config: { sources: { dev: { consent_defaults: { personalization: 'granted', functional: 'granted' } } } } });
		t.after(() => hg.close());
		const shell = (command) => run('bash', ['-c', command.replaceAll('127.0.0.1:8080', `127.0.0.1:${hg.port}`).replaceAll('127.0.0.1:9090', `127.0.0.1:${hg.adminPort}`)], { cwd: hg.home });
		const commands = [...text.matchAll(/^ {4}curl [^\n]*\/v1\/events[^\n]*\n(?: {6}[^\n]*\n)+/gm)].map((m) => m[0]);
		const [first, accepted, duplicate, rejected, line] = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map((m) => plain(m[1]));
		assert.equal(commands.length, 3);
		assert.equal(plain(shell(commands[0])), first);
		assert.equal(plain(shell(commands[1])), accepted);
		assert.equal(plain(shell(commands[1])), duplicate);
		assert.equal(plain(shell(commands[2])), rejected);
		const [, pixel] = text.match(/<img src="([^"]+)"/);
		assert.equal(shell(`curl -s -o /dev/null -w '%{http_code} %{content_type}' '${pixel}'`), '200 image/gif');
		assert.equal(shell(text.match(/^ {4}(curl -X POST .*\/reload)$/m)[1]), '{"reloaded":true}');

		const events = await hg.delivered(3);
		const told = JSON.parse(line);
		const stored = events.find((e) => e.event === 'purchase');
		const { position, received_at: received, ids } = stored;
		assert.deepEqual([ids.anonymous_id, Object.keys(ids)], ['visitor-1', Object.keys(told.ids)]);
		// Where, when and from which curl is this run's; all else, and the order of members, is as written.
		assert.equal(JSON.stringify({ ...told, ids, position, event_time: stored.event_time, received_at: received, context: stored.context }), JSON.stringify(stored));
		assert.ok(existsSync(join(hg.home, 'data/events/headgate.events', received.slice(0, 10), `${received.slice(11, 13)}.ndjson`)));
		await hg.delivered(1, 'headgate.rejected');
	});

	test('its configuration is one that is taken', (t) => {
		const dir = mkdtempSync(join(tmpdir(), 'headgate-readme-'));
		t.after(() => rmSync(dir, { recursive: true }));
		writeFileSync(join(dir, 'headgate.jsonc'), text.match(/```jsonc\n([\s\S]*?)```/)[1]);
		const env = { ...process.env, HEADGATE_CATALOG__DIR: join(root, 'schemas') };
		delete env.HEADGATE_BINARY;
		delete env.HEADGATE_CACHE;
		assert.match(run(binary, ['check', '--config', join(dir, 'headgate.jsonc')], { env }), /OK\n$/);
	});
});
