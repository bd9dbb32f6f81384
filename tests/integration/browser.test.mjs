// Cookies in a real browser. nginx ends TLS for pages and collector on hosts of their own: www., checkout. and
// events.shop.test (one site), other.test and third.test (others); plain http on localhost goes straight to headgate.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, root, uniqueId } from './lib/headgate.mjs';
import { freePort, waitFor } from './lib/wait.mjs';

const require = createRequire(join(root, 'tests/package.json'));
const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const granted = { analytics: 'granted', ads: 'granted' }, denied = { analytics: 'denied', ads: 'denied' };
const DAY = 24 * 3600;

let dir, hg, nginx, chromium, port, log = '';
const at = (host) => `https://${host}:${port}`;

const nginxConf = () => `daemon off;
worker_processes 1;
${process.getuid() === 0 ? 'user root;' : ''}
pid ${dir}/pid;
error_log stderr crit;
events { worker_connections 256; }
http {
	access_log off;
	${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${dir}/tmp/${n};`).join('\n\t')}
	server {
		listen 127.0.0.1:${port} ssl;
		ssl_certificate ${dir}/server.pem;
		ssl_certificate_key ${dir}/server.key;
		location / { default_type text/html; return 200 '<!doctype html><link rel="icon" href="data:,"><title>shop</title>'; }
		location /v1/ {
			proxy_pass http://127.0.0.1:${hg.port};
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}
`;

before(async () => {
	dir = mkdtempSync(join(tmpdir(), 'headgate-browser-'));
	mkdirSync(join(dir, 'tmp'));
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=shop.test',
		'-keyout', `${dir}/server.key`, '-out', `${dir}/server.pem`], { stdio: 'pipe' });
	port = await freePort();
	const pages = ['www.shop.test', 'checkout.shop.test', 'other.test', 'third.test'].map(at);
	hg = await Headgate.start({ config: {
		http: { trusted_proxies: ['127.0.0.1'] },
		cookies: { domains: ['shop.test'] },
		sources: {
			web: { kind: 'browser', keys: ['web'], origins: pages, consent_defaults: granted },
			asks: { kind: 'browser', keys: ['asks'], origins: pages },
			embedded: { kind: 'browser', keys: ['embedded'], origins: pages, cookies: 'none', consent_defaults: granted },
		},
	} });
	writeFileSync(join(dir, 'nginx.conf'), nginxConf());
	nginx = spawn('nginx', ['-e', 'stderr', '-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH } });
	nginx.stderr.on('data', (d) => (log += d));
	process.once('exit', () => nginx.exitCode ?? nginx.kill('SIGKILL'));
	const answers = () => new Promise((done, fail) => https.get({ port, host: '127.0.0.1', rejectUnauthorized: false }, (res) => { res.resume(); done(res.statusCode === 200); }).on('error', fail));
	await waitFor(answers, { what: 'nginx answers' });
	chromium = await require('playwright-core').chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP *.test 127.0.0.1'] });
});
after(async () => {
	await chromium?.close();
	if (nginx && nginx.exitCode === null) {
		const ended = new Promise((done) => nginx.once('exit', done));
		nginx.kill('SIGQUIT');
		await ended;
	}
	await hg?.close();
	rmSync(dir, { recursive: true, force: true });
	assert.equal(log, '');
});

// A person's browser, with cookies of its own.
class Person {
	static async come(t) {
		const self = new Person();
		self.context = await chromium.newContext({ ignoreHTTPSErrors: true });
		t.after(() => self.context.close());
		self.page = await self.context.newPage();
		return self;
	}
	// On the page of that host; sends by fetch and gives the answer and the cookies that the page's scripts see.
	async send(event, { page = at('www.shop.test'), to = at('events.shop.test'), key = 'web' } = {}) {
		await this.page.goto(page);
		const sent = { event: 'page_view', event_id: uniqueId(), properties: {}, ...event };
		const answer = await this.page.evaluate(async ([url, body]) => {
			const response = await fetch(url, { method: 'POST', body, credentials: 'include', headers: { 'content-type': 'text/plain' } });
			return { status: response.status, json: await response.json(), seen: document.cookie };
		}, [`${to}/v1/events?key=${key}`, JSON.stringify(sent)]);
		assert.equal(answer.status, 200, JSON.stringify(answer));
		return { ...answer, ids: answer.json.ids, sent };
	}
	async cookies() { return Object.fromEntries((await this.context.cookies()).map((c) => [c.name, c])); }
}
const stored = async ({ sent }, topic) => {
	await hg.drained();
	return hg.files(topic).find((f) => f.event.event_id === sent.event_id)?.event;
};

test('first visit and return: cookies that no script sees, the same id again', async (t) => {
	const person = await Person.come(t), first = await person.send();
	const { hg_id: id, hg_session: session } = await person.cookies();
	assert.deepEqual(first.ids, { anonymous_id: id.value.slice(0, 36), session_id: session.value.slice(0, 36) });
	for (const cookie of [id, session]) {
		assert.deepEqual([cookie.domain, cookie.path, cookie.httpOnly, cookie.secure, cookie.sameSite], ['.shop.test', '/', true, true, 'Lax']);
		assert.ok(Math.abs(cookie.expires - Date.now() / 1000 - 390 * DAY) < DAY, `the browser keeps it until ${cookie.expires}`);
	}
	assert.equal(first.seen, '');
	assert.deepEqual((await stored(first)).session, { start: true, first: true, number: 1 });
	const again = await person.send();
	assert.deepEqual(again.ids, first.ids);
	assert.deepEqual([(await stored(again)).session, (await stored(again)).ids.cookie_id], [{ number: 1 }, first.ids.anonymous_id]);
	const stranger = await Person.come(t);
	assert.notEqual((await stranger.send()).ids.anonymous_id, first.ids.anonymous_id);
});

test('beacons and pictures carry and set the same cookies', async (t) => {
	const person = await Person.come(t), beacon = uniqueId(), picture = uniqueId();
	await person.page.goto(at('www.shop.test'));
	assert.ok(await person.page.evaluate(([url, body]) => navigator.sendBeacon(url, body), [`${at('events.shop.test')}/v1/events?key=web`, JSON.stringify({ event: 'page_view', event_id: beacon })]));
	const { hg_id: id } = await waitFor(async () => { const c = await person.cookies(); return c.hg_id && c.hg_session ? c : null; }, { what: 'cookies of a beacon' });
	const loaded = await person.page.evaluate((src) => new Promise((done) => { const image = new Image(); image.onload = () => done(true); image.onerror = () => done(false); image.src = src; }),
		`${at('events.shop.test')}/v1/pixel.gif?key=web&event=page_view&event_id=${picture}`);
	assert.ok(loaded);
	for (const event_id of [beacon, picture]) assert.equal((await stored({ sent: { event_id } })).ids.anonymous_id, id.value.slice(0, 36));
	assert.equal((await stored({ sent: { event_id: picture } })).session.start, undefined);
});

test('cookies that the browser deletes, as tracking prevention does', async (t) => {
	const person = await Person.come(t), first = await person.send();
	await person.context.clearCookies({ name: 'hg_session' });
	const unknown = await person.send();
	assert.equal(unknown.ids.anonymous_id, first.ids.anonymous_id);
	assert.notEqual(unknown.ids.session_id, first.ids.session_id);
	assert.deepEqual((await stored(unknown)).session, { start: true }, 'neither the first nor one that can be counted');
	await person.context.clearCookies({ name: 'hg_id' });
	const other = await person.send();
	assert.notEqual(other.ids.anonymous_id, first.ids.anonymous_id);
	assert.deepEqual((await stored(other)).session, { start: true, first: true, number: 1 });
	assert.equal((await person.send()).ids.anonymous_id, other.ids.anonymous_id);
	// an id that a page brings itself (from its storage) outlives the cookie, and stands beside it
	const own = await person.send({ anonymous_id: 'from-storage' });
	assert.deepEqual([own.ids.anonymous_id, (await stored(own)).ids.cookie_id], ['from-storage', other.ids.anonymous_id]);
});

test('one visitor across the sub-domains of a configured domain, another elsewhere', async (t) => {
	const person = await Person.come(t), first = await person.send();
	const checkout = await person.send({}, { page: at('checkout.shop.test') });
	assert.deepEqual(checkout.ids, first.ids);
	// a collector on the page's own host
	assert.deepEqual((await person.send({}, { page: at('checkout.shop.test'), to: at('checkout.shop.test') })).ids, first.ids);
	const other = await person.send({}, { page: at('other.test'), to: at('other.test') });
	assert.notEqual(other.ids.anonymous_id, first.ids.anonymous_id);
	const hosts = (await person.context.cookies()).filter((c) => c.name === 'hg_id').map((c) => c.domain).sort();
	assert.deepEqual(hosts, ['.shop.test', 'other.test']);
});

test('pages of other sites: SameSite=Lax is not sent there, None is, in a partition for each', async (t) => {
	const person = await Person.come(t), there = { page: at('other.test') };
	const lax = await person.send({}, there), again = await person.send({}, there);
	assert.notEqual(again.ids.anonymous_id, lax.ids.anonymous_id, 'the browser keeps no such cookie');
	const first = await person.send({}, { ...there, key: 'embedded' });
	assert.deepEqual((await person.send({}, { ...there, key: 'embedded' })).ids, first.ids);
	const elsewhere = await person.send({}, { page: at('third.test'), key: 'embedded' });
	assert.notEqual(elsewhere.ids.anonymous_id, first.ids.anonymous_id);
	const { hg_id: id } = await person.cookies();
	assert.deepEqual([id.secure, id.sameSite, id.httpOnly], [true, 'None', true]);
});

test('consent: denied sets nothing, granted sets all, withdrawn removes what identifies', async (t) => {
	const person = await Person.come(t), send = (event) => person.send(event, { key: 'asks' });
	const update = (consent) => send({ event: 'consent_update', consent });
	const silent = await send();
	assert.deepEqual([await person.cookies(), silent.ids, (await stored(silent)).ids], [{}, undefined, undefined]);

	const refused = await update(denied);
	assert.deepEqual([Object.keys(await person.cookies()), refused.ids], [['hg_consent'], undefined]);
	const { hg_consent: choice } = await person.cookies();
	assert.ok(Math.abs(choice.expires - Date.now() / 1000 - 180 * DAY) < DAY);
	assert.deepEqual([choice.httpOnly, choice.secure, choice.sameSite, choice.domain], [true, true, 'Lax', '.shop.test']);
	const after = await send();
	assert.deepEqual([Object.keys(await person.cookies()), after.ids, (await stored(after)).ids], [['hg_consent'], undefined, undefined]);

	const given = await update(granted);
	assert.deepEqual(Object.keys(await person.cookies()).sort(), ['hg_consent', 'hg_id', 'hg_session']);
	const during = await send();
	assert.deepEqual([during.ids, (await stored(during)).ids.anonymous_id], [given.ids, given.ids.anonymous_id]);

	const withdrawn = await update(denied);
	assert.deepEqual([Object.keys(await person.cookies()), withdrawn.ids], [['hg_consent'], undefined]);
	assert.equal((await stored(withdrawn, 'headgate.consent')).ids.anonymous_id, given.ids.anonymous_id);
	const later = await send();
	assert.deepEqual([Object.keys(await person.cookies()), (await stored(later)).ids], [['hg_consent'], undefined]);
});

test('plain http on localhost: cookies without Secure', async (t) => {
	const person = await Person.come(t), site = `http://localhost:${hg.port}`, options = { page: site, to: site, key: 'dev' };
	const first = await person.send({}, options);
	assert.deepEqual((await person.send({}, options)).ids, first.ids);
	const { hg_id: id } = await person.cookies();
	assert.deepEqual([id.domain, id.secure, id.sameSite, id.value.slice(0, 36)], ['localhost', false, 'Lax', first.ids.anonymous_id]);
});
