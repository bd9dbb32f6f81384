// Who sent it: cookies, visits, linked ids over HTTP. (A real browser: browser.test.mjs.)
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, headgate, pageView, purchase, SERVER_KEY, uniqueId } from './lib/headgate.mjs';

const UUID7 = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}';
const granted = { analytics: 'granted', ads: 'granted' }, denied = { analytics: 'denied', ads: 'denied' };
const view = (over = {}) => pageView({ anonymous_id: undefined, ...over });
const update = (consent, over = {}) => ({ event: 'consent_update', event_id: uniqueId(), consent, properties: {}, ...over });

// { name: { value, attributes } } of an answer.
const cookiesOf = (answer) => Object.fromEntries((answer.headers['set-cookie'] ?? []).map((line) => {
	const [pair, ...attributes] = line.split('; ');
	const at = pair.indexOf('=');
	return [pair.slice(0, at), { value: pair.slice(at + 1), attributes }];
}));

// As much of a browser as these tests need.
class Browser {
	constructor(hg, options = {}) { Object.assign(this, { hg, options, jar: {} }); }
	get header() { return Object.entries(this.jar).map(([name, value]) => `${name}=${value}`).join('; '); }
	keep(answer) {
		const set = cookiesOf(answer);
		assert.equal(Object.keys(set).length, answer.headers['set-cookie']?.length ?? 0, 'one cookie of a name');
		for (const [name, { value, attributes }] of Object.entries(set)) {
			if (attributes.includes('Max-Age=0')) delete this.jar[name];
			else this.jar[name] = value;
		}
		return answer;
	}
	async post(body, { headers = {}, ...options } = {}) {
		return this.keep(await this.hg.post(body, { ...this.options, ...options, headers: { ...(this.header && { cookie: this.header }), ...this.options.headers, ...headers } }));
	}
}
const stored = async (hg, event, topic) => {
	await hg.drained();
	return hg.files(topic).find((f) => f.event.event_id === event.event_id)?.event;
};
const cookies = async (hg, cookie, outcome) => (await hg.metrics()).get('headgate_cookies_total', { cookie, outcome });

let hg;
before(async () => {
	hg = await Headgate.start({ config: {
		http: { trusted_proxies: ['127.0.0.1'] },
		cookies: { domains: ['shop.example'] },
		session: { campaign: true },
		sources: {
			embedded: { kind: 'browser', keys: ['embedded'], origins: ['https://other.example'], cookies: 'none', consent_defaults: granted },
			bare: { kind: 'browser', keys: ['bare'], cookies: 'off', consent_defaults: granted },
			app: { kind: 'app', keys: ['app'], consent_defaults: granted },
			unasked: { kind: 'browser', keys: ['unasked'] },
			backend: { dedup_group: 'shop' },
			web: { kind: 'browser', keys: ['web'], dedup_group: 'shop', consent_defaults: granted },
		},
	} });
});
after(() => hg?.close());

test('a first visit: id and visit by cookie, on the event and in the answer', async () => {
	const browser = new Browser(hg), event = view();
	const answer = await browser.post(event);
	const { hg_id: id, hg_session: session } = cookiesOf(answer);
	assert.match(id.value, new RegExp(`^${UUID7}\\.[A-Za-z0-9_-]{24}$`));
	assert.match(session.value, new RegExp(`^${UUID7}\\.[A-Za-z0-9_-]{40}$`));
	for (const cookie of [id, session]) assert.deepEqual(cookie.attributes, ['Path=/', 'Max-Age=33696000', 'HttpOnly', 'SameSite=Lax'], 'not Secure on localhost');
	assert.deepEqual(answer.json.ids, { anonymous_id: id.value.slice(0, 36), session_id: session.value.slice(0, 36) });
	assert.equal(answer.headers['cache-control'], 'no-store');
	const line = await stored(hg, event);
	assert.deepEqual(line.ids, { cookie_id: id.value.slice(0, 36), anonymous_id: id.value.slice(0, 36), session_id: session.value.slice(0, 36) });
	assert.deepEqual(line.session, { start: true, first: true, number: 1 });

	const second = view();
	const again = await browser.post(second);
	assert.deepEqual([again.headers['set-cookie'], again.json.ids], [undefined, answer.json.ids]);
	assert.deepEqual((await stored(hg, second)).session, { number: 1 });
});

test('an anonymous_id of the page goes first; cookie_id stands beside it, whatever the event claims', async () => {
	const browser = new Browser(hg), event = view({ anonymous_id: 'own', session_id: 'own-visit', ids: { cookie_id: 'claimed', fbp: 'fb.1' } });
	const answer = await browser.post(event);
	assert.deepEqual(answer.json.ids, { anonymous_id: 'own', session_id: 'own-visit' });
	assert.deepEqual(Object.keys(cookiesOf(answer)), ['hg_id'], 'a visit of the page\'s own needs no cookie');
	const line = await stored(hg, event);
	assert.deepEqual(line.ids, { anonymous_id: 'own', session_id: 'own-visit', fbp: 'fb.1', cookie_id: browser.jar.hg_id.slice(0, 36) });
	assert.equal(line.session, undefined);
});

test('events of one request share one visit, and its begin stands on the first that is stored', async () => {
	const browser = new Browser(hg), seen = view({ anonymous_id: 'x' }), events = [view({ properties: { no_such: { deep: [] } }, version: '9' }), seen, view(), view()];
	await hg.post(seen, { key: 'dev' });
	const answer = await browser.post(events);
	assert.equal(answer.status, 207);
	assert.deepEqual([answer.json.accepted, answer.json.duplicates, answer.json.rejected], [2, 1, 1]);
	assert.deepEqual(Object.keys(cookiesOf(answer)), ['hg_id', 'hg_session']);
	const lines = [await stored(hg, events[2]), await stored(hg, events[3])];
	assert.deepEqual(lines.map((l) => l.session), [{ start: true, first: true, number: 1 }, { number: 1 }]);
	assert.equal(lines[0].ids.session_id, lines[1].ids.session_id);
});

test('what is not accepted sets nothing: duplicates, refusals, dry runs, unreadable bodies', async () => {
	const event = view();
	await hg.post(event);
	for (const body of [event, view({ version: '9' }), [view({ version: '9' }), event], '{"event":']) {
		const answer = await hg.post(body);
		assert.deepEqual([answer.headers['set-cookie'], answer.json.ids], [undefined, undefined], answer.text);
	}
	const counted = async () => (await hg.metrics()).get('headgate_cookies_total');
	const before = await counted();
	const dry = await hg.post(view(), { path: '/v1/validate', headers: { cookie: 'hg_id=forged' } });
	assert.deepEqual([dry.headers['set-cookie'], Object.keys(dry.json.ids)], [undefined, ['anonymous_id', 'session_id']], 'a trial tells what an answer would');
	assert.equal(await counted(), before);
});

test('a picture sets cookies too', async () => {
	const answer = await hg.get(`/v1/pixel.gif?key=dev&event=page_view&event_id=${uniqueId()}`);
	assert.equal(answer.headers['content-type'], 'image/gif');
	assert.deepEqual(Object.keys(cookiesOf(answer)), ['hg_id', 'hg_session']);
	assert.equal((await hg.request('HEAD', '/v1/pixel.gif?key=dev&event=page_view')).headers['set-cookie'], undefined);
});

test('Secure, Domain, SameSite: by scheme, host and source', async () => {
	const attributes = async (headers, key) => cookiesOf(await hg.post(view(), { key, headers })).hg_id?.attributes.slice(2).join('; ');
	assert.equal(await attributes({ host: 'www.shop.example' }), 'Domain=shop.example; HttpOnly; Secure; SameSite=Lax');
	assert.equal(await attributes({ host: 'shop.example:8443' }), 'Domain=shop.example; HttpOnly; Secure; SameSite=Lax');
	assert.equal(await attributes({ host: 'myshop.example' }), 'HttpOnly; Secure; SameSite=Lax');
	assert.equal(await attributes({ host: 'localhost:8080' }), 'HttpOnly; SameSite=Lax');
	assert.equal(await attributes({ host: 'localhost', 'x-forwarded-proto': 'https' }), 'HttpOnly; Secure; SameSite=Lax');
	assert.equal(await attributes({ host: 'localhost' }, 'embedded'), 'HttpOnly; Secure; SameSite=None; Partitioned');
	assert.equal(await attributes({ host: 'localhost' }, 'bare'), undefined);
	const cross = await hg.post(view(), { key: 'embedded', headers: { origin: 'https://other.example' } });
	assert.deepEqual([cross.headers['access-control-allow-origin'], cross.headers['access-control-allow-credentials'], cross.headers.vary], ['https://other.example', 'true', 'Origin']);
	assert.equal(cross.headers['set-cookie'].length, 2);
});

test('apps and back ends bring their own ids; no cookie is read or set', async () => {
	const browser = new Browser(hg);
	await browser.post(view());
	const app = view({ anonymous_id: 'install-1', session_id: 's-1', device_id: 'd-1' });
	const answer = await browser.post(app, { key: 'app' });
	assert.deepEqual([answer.headers['set-cookie'], answer.json.ids], [undefined, { anonymous_id: 'install-1', session_id: 's-1' }]);
	assert.deepEqual((await stored(hg, app)).ids, { anonymous_id: 'install-1', session_id: 's-1', device_id: 'd-1' });
	const bare = view();
	assert.equal((await browser.post(bare, { key: 'app' })).json.ids, undefined);
	assert.equal((await stored(hg, bare)).ids, undefined);
	const server = view({ user_id: 'u', session_id: 's-2' });
	const told = await browser.post(server, { key: SERVER_KEY });
	assert.deepEqual([told.headers['set-cookie'], told.json.ids], [undefined, undefined]);
	assert.deepEqual((await stored(hg, server)).ids, { user_id: 'u', session_id: 's-2' });
});

test('a forged cookie is counted and ignored; its value is in no log', async () => {
	const browser = new Browser(hg);
	await browser.post(view());
	const real = browser.jar.hg_id, ids = await cookies(hg, 'id', 'forged'), visits = await cookies(hg, 'session', 'forged');
	browser.jar.hg_id = `0190b6a2-0000-7000-8000-00000f09ed00${real.slice(36)}`;
	const event = view();
	const answer = await browser.post(event);
	assert.notEqual(browser.jar.hg_id.slice(0, 36), real.slice(0, 36));
	assert.equal((await stored(hg, event)).ids.anonymous_id, answer.json.ids.anonymous_id);
	assert.equal(await cookies(hg, 'id', 'forged'), ids + 1);
	assert.equal(await cookies(hg, 'session', 'forged'), visits, 'without an id nobody asks for the visit');
	assert.ok(!hg.stderr.includes('0f09ed00') && !hg.stderr.includes(real.slice(0, 36)));
});

test('cookies of any bytes and of any length within the limits', async () => {
	const browser = new Browser(hg);
	await browser.post(view());
	const { hg_id: id, hg_session: session } = browser.jar;
	const odd = ['', ';', '=', 'hg_id', 'hg_id=', 'hg_id=.', `hg_id=${'a'.repeat(12000)}`, `hg_id=${id}.`, `hg_id=${id.slice(0, 36)}`, `hg_id=${id}; hg_session=${id}`, `hg_id=${session}`,
		'hg_id=a; '.repeat(250), `hg_id="${id}"; hg_session=\t`, `hg_consent=${'%00'.repeat(500)}`, `hg_session=${session.slice(0, -1)}~; hg_id=${id}`];
	for (let i = 0; i < 60; i++) odd.push(`hg_id=${randomBytes(60).toString('latin1').replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ';')}; hg_session=${randomBytes(90).toString('latin1').replace(/[\x00-\x08\x0a-\x1f\x7f]/g, '=')}`);
	for (const header of odd) {
		const answer = await hg.raw(Buffer.from(`POST /v1/events?key=dev HTTP/1.1\r\nHost: localhost\r\nCookie: ${header}\r\nContent-Length: 23\r\nConnection: close\r\n\r\n{"event" : "page_view"}`, 'latin1'));
		assert.equal(answer.status, 200, `${header.slice(0, 80)}: ${answer.text}`);
	}
});

test('consent: refused at the first visit, granted, withdrawn', async () => {
	const browser = new Browser(hg, { key: 'unasked' });
	const before = view({ consent: denied });
	const refused = await browser.post(before);
	assert.deepEqual([refused.headers['set-cookie'], refused.json.ids, (await stored(hg, before)).ids], [undefined, undefined, undefined]);

	const no = update(denied);
	const first = await browser.post(no);
	assert.deepEqual(Object.keys(browser.jar).filter((name) => name !== 'hg_consent'), []);
	assert.equal(first.json.ids, undefined);
	assert.equal((await stored(hg, no, 'headgate.consent')).ids, undefined, 'a refusal at the first visit gets no id');
	assert.ok(cookiesOf(first).hg_consent.attributes.includes('Max-Age=15552000'));

	const yes = update(granted);
	const given = await browser.post(yes);
	const id = browser.jar.hg_id.slice(0, 36);
	assert.equal(given.json.ids.anonymous_id, id);
	assert.equal((await stored(hg, yes, 'headgate.consent')).ids.anonymous_id, id);
	const during = view();
	assert.equal((await browser.post(during)).json.ids.anonymous_id, id, 'the consent cookie says so');

	const out = update(denied);
	const jar = { ...browser.jar };
	const withdrawn = await browser.post(out);
	assert.deepEqual([Object.keys(browser.jar), withdrawn.json.ids], [['hg_consent'], undefined]);
	for (const name of ['hg_id', 'hg_session']) assert.deepEqual(cookiesOf(withdrawn)[name], { value: '', attributes: ['Path=/', 'Max-Age=0', 'Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'HttpOnly', 'SameSite=Lax'] });
	assert.equal((await stored(hg, out, 'headgate.consent')).ids.anonymous_id, id, 'consumers learn whose it was');
	const later = view();
	const told = await browser.post(later);
	assert.deepEqual([told.headers['set-cookie'], told.json.ids, (await stored(hg, later)).ids], [undefined, undefined, undefined]);

	// the answer was lost: the same update comes again, with the old cookies
	browser.jar = jar;
	assert.equal((await browser.post(out)).json.duplicates, 1);
	assert.deepEqual(Object.keys(browser.jar), ['hg_consent']);
});

test('a visit ends with another campaign', async () => {
	const browser = new Browser(hg), page = (query) => view({ context: { page: { url: `https://shop.example/${query}` } } });
	const sessions = [];
	for (const query of ['?utm_source=a', '', '?utm_source=a&page=2', '?utm_source=b', '?gclid=1']) {
		const event = page(query);
		sessions.push([(await browser.post(event)).json.ids.session_id, (await stored(hg, event)).session.number]);
	}
	assert.deepEqual(sessions.map(([, number]) => number), [1, 1, 1, 2, 3]);
	assert.equal(new Set(sessions.map(([id]) => id)).size, 3);
});

test('ids_linked: once per pair and group, not for refused consent, known after kill -9', async (t) => {
	const own = await headgate(t, { config: { sources: { backend: { dedup_group: 'shop' }, web: { kind: 'browser', keys: ['web'], dedup_group: 'shop', consent_defaults: granted } } } });
	const linked = async (event, options) => {
		assert.equal((await own.post(event, options)).json.accepted, 1);
		return (await stored(own, event)).ids_linked;
	};
	const pair = { anonymous_id: 'a', user_id: 'u' };
	assert.equal(await linked(view({ ...pair, consent: denied })), undefined);
	assert.equal(await linked(view({ anonymous_id: 'a' })), undefined);
	assert.equal(await linked(view({ user_id: 'u2', anonymous_id: 'a' })), true);
	assert.equal(await linked(view(pair)), true);
	assert.equal(await linked(view(pair)), undefined);
	assert.equal(await linked({ event: 'identify', event_id: uniqueId(), ...pair, user_id: 'u3', properties: {} }), true);
	assert.equal(await linked(view(pair), { key: 'web' }), true, 'another group');
	assert.equal(await linked(view(pair), { key: SERVER_KEY }), undefined, 'of the same group');
	assert.equal(await linked(purchase({ anonymous_id: 'b', user_id: 'u' })), true);
	assert.equal(await linked(purchase({ anonymous_id: 'b', user_id: 'u' })), undefined);
	const both = [view({ anonymous_id: 'c', user_id: 'u' }), view({ anonymous_id: 'c', user_id: 'u' })];
	await own.post(both);
	assert.deepEqual([(await stored(own, both[0])).ids_linked, (await stored(own, both[1])).ids_linked], [true, undefined]);
	await own.kill9();
	await own.restart();
	assert.equal(await linked(view(pair)), undefined);
	assert.equal(await linked(view({ anonymous_id: 'd', user_id: 'u' })), true);
});

test('ids outlive a restart; instances that share a secret share visitors', async (t) => {
	const home = mkdtempSync(join(tmpdir(), 'headgate-test-')), file = join(home, 'secret');
	t.after(() => rmSync(home, { recursive: true }));
	const one = await headgate(t);
	const browser = new Browser(one);
	const { anonymous_id: id } = (await browser.post(view())).json.ids;
	await one.kill9();
	await one.restart();
	assert.equal((await browser.post(view())).json.ids.anonymous_id, id);

	// a secret is introduced: what the installation's own key signed stays good, and is signed anew
	writeFileSync(file, `${'s'.repeat(40)}\n`);
	const config = { cookies: { secret_file: file, id_name: 'visitor', session_name: 'visit' } };
	await one.restart({ config: { cookies: { secret_file: file } } });
	assert.deepEqual(Object.keys(cookiesOf(await browser.post(view()))), ['hg_id', 'hg_session']);
	const two = await headgate(t, { config: { cookies: { secret_file: file } } });
	browser.hg = two;
	assert.equal((await browser.post(view())).json.ids.anonymous_id, id);
	assert.equal(await cookies(two, 'id', 'forged'), 0);
	const three = await headgate(t, { config });
	browser.hg = three;
	const other = await browser.post(view());
	assert.deepEqual(Object.keys(cookiesOf(other)), ['visitor', 'visit'], 'names are configurable');
	assert.notEqual(other.json.ids.anonymous_id, id);
});

test('a start without the secret or the time zone that the configuration names is refused', async () => {
	for (const [config, message] of [[{ cookies: { secret_file: '/nonexistent' } }, /cookies\.secret_file/], [{ session: { midnight: true, timezone: 'Asia/Atlantis' } }, /session\.timezone.*Asia\/Atlantis/]]) {
		const refused = await Headgate.start({ config, expectExit: true });
		const { code } = await refused.exit;
		assert.ok(code > 0, `exit ${code}`);
		assert.match(refused.stderr, message);
		await refused.close();
	}
});
