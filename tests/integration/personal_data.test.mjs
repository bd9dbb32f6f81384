// What of a person goes out, against the real binary: stripped, reduced, hashed, redacted; and what is added to the context.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, SERVER_KEY, pageView, purchase, root, uniqueId } from './lib/headgate.mjs';
import { mmdb } from './lib/mmdb.mjs';

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';
const home = mkdtempSync(join(tmpdir(), 'headgate-geo-'));
const geo = join(home, 'places.mmdb');
let hg;
before(async () => {
	writeFileSync(geo, mmdb({ '203.0.113.0/25': { country: { iso_code: 'KR' }, city: { names: { en: 'Seoul', ko: '서울' } } }, '192.0.2.0/24': { country: { iso_code: 'DE' } } }));
	hg = await Headgate.start({ config: {
		lanes: 1,
		http: { trusted_proxies: ['127.0.0.1'], paths: { '/px/*': '/v1/events' } },
		context: { internal_networks: ['198.51.100.0/24'], referrers: { 'partner.example': 'partner' }, geo_database: geo },
		sources: { always: { kind: 'browser', keys: ['always-key'], dead_letter_payload: 'always' }, quiet: { kind: 'browser', keys: ['quiet-key'], daily_id: true } },
	} });
});
after(async () => {
	await hg?.close();
	rmSync(home, { recursive: true });
});

async function stored(id, topic = 'headgate.events') {
	await hg.drained();
	return hg.files(topic).find((f) => f.event.event_id === id)?.event;
}
// Posts one event and returns what is stored of it.
async function send(event, { headers = {}, key = 'dev' } = {}) {
	const answer = await hg.post(event, { key, headers: { 'user-agent': CHROME, 'x-forwarded-for': '203.0.113.77', ...headers } });
	assert.equal(answer.status, 200, answer.text);
	await hg.drained();
	const id = answer.json.events[0]?.event_id ?? event.event_id;
	return stored(id);
}
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

function filesBelow(dir) {
	return readdirSync(dir).flatMap((name) => {
		const path = join(dir, name);
		return statSync(path).isDirectory() ? filesBelow(path) : [path];
	});
}

test('of a person who refused, no byte below the data directory tells who it was', async () => {
	const needles = {
		anonymous_id: 'anon-refused-4711', user_id: 'user-refused-4712', session_id: 'sess-refused-4713', device_id: 'dev-refused-4714', fbp: 'fb.1.47.4715',
		email: 'refused.person@example.org', encoded: 'refused.person%40example.org', phone: '010-4716-4717', name: 'Refusia Person', event_id: 'event-refused-4718',
		gclid: 'Cj0refused4719', napm: 'ct%3Drefused4720', cookie: 'cookie-refused-4721', address: '203.0.113.147', agent: 'RefusedAgent/4722',
		tcf: 'CPrefused4723', page: '/orders/47244724', uuid: '47254725-4725-4725-8725-472547254725', title: 'Hello Refusia', library: 'lib-refused-4726', card: '4111111111111111',
		hint: '"Refused4727"', member: 'typo-refused-4728', path: 'path-refused@4729.kr',
	};
	const n = needles;
	const headers = { 'x-forwarded-for': n.address, 'user-agent': n.agent, cookie: `hg_id=${n.cookie}; _fbp=${n.fbp}; other=${n.anonymous_id}`, 'sec-ch-ua': n.hint, referer: `http://localhost:3000${n.page}?e=${n.encoded}` };
	const person = (extra = {}) => ({
		event: 'page_view', event_id: n.event_id, anonymous_id: n.anonymous_id, user_id: n.user_id, session_id: n.session_id, device_id: n.device_id, ids: { fbp: n.fbp, customer: n.user_id },
		user: { email: n.email, phone: n.phone, name: n.name, traits: { note: n.email } }, consent: { analytics: 'denied', ads: 'denied', tcf: n.tcf },
		context: { page: { url: `https://shop.example${n.page}/${n.uuid}?gclid=${n.gclid}&NaPm=${n.napm}&e=${n.encoded}`, referrer: `https://mail.example/u/${n.email}?x=${n.gclid}`, title: n.title },
			click_ids: { gclid: n.gclid }, library: { visitor: n.library } },
		properties: { gclid: n.gclid, who: n.anonymous_id, note: `card ${n.card} of ${n.email}`, link: `https://shop.example${n.page}?e=${n.encoded}` }, ...extra });
	const server = { key: SERVER_KEY };
	const answers = [
		await hg.post(person(), { headers }),
		await hg.post(person(), { headers }), // the same again: recognised without being known
		await hg.post(person({ event_id: `${n.event_id}-b`, context: { ...person().context, ip: n.address, user_agent: n.agent } }), server),
		// refused: unknown members and events, wrong types, members whose names tell, no name at all
		await hg.post(person({ event_id: `${n.event_id}-c`, [n.member]: n.email }), { headers }),
		await hg.post(person({ event_id: `${n.event_id}-d`, event: 'no_such_event' }), { headers }),
		await hg.post(person({ event_id: `${n.event_id}-e`, event: undefined }), { headers }),
		await hg.post(person({ event_id: `${n.event_id}-f`, event: 'purchase', properties: { [n.email]: 1, value: n.phone, order_id: 5 } }), { headers }),
		await hg.post(person({ event_id: `${n.event_id}-g`, ids: { [n.email]: 'x' } }), { headers, path: `/px/${n.path}` }),
		await hg.post([person({ event_id: `${n.event_id}-h` }), 5, null], { headers }),
		// bodies that cannot be read
		await hg.post(JSON.stringify(person()).slice(0, -3), { headers }),
		await hg.post(`${JSON.stringify(person({ event_id: `${n.event_id}-i` }))}\n{"event":"page_view","user_id":"${n.user_id}"\n`, { headers, type: 'application/x-ndjson' }),
		await hg.post(Buffer.concat([Buffer.from(JSON.stringify(person()).replace('"page_view"', '"page_view","anonymous_id":"')), Buffer.from([0xc3, 0x28])]), { headers }),
		await hg.post(Buffer.from(JSON.stringify(person({ event_id: `${n.event_id}-j` })).replace(n.title, '\xff\x28'), 'latin1'), { headers }), // not UTF-8
	];
	assert.deepEqual(answers.map((a) => a.status), [200, 200, 200, 400, 400, 400, 400, 400, 207, 400, 207, 400, 400]);
	assert.deepEqual([answers[0].json.accepted, answers[1].json.duplicates], [1, 1], answers[1].text);
	assert.equal((await hg.get(`/v1/pixel.gif?key=dev&event=page_view&consent.analytics=denied&user_id=${n.user_id}&context.page.url=https://a.kr/?e=${encodeURIComponent(n.email)}`, { headers })).status, 200);
	await hg.drained();
	const stripped = hg.files().map((f) => f.event).filter((e) => e.consent.applied === 'stripped');
	assert.ok(stripped.length >= 3);
	const one = stripped.find((e) => e.source.name === 'dev');
	assert.match(one.event_id, /^[0-9a-f]{8}-[0-9a-f]{4}-8/);
	assert.equal(one.context.page.url, 'https://shop.example/orders/*/*');
	assert.equal(one.context.page.referrer, 'https://mail.example');
	assert.deepEqual(one.properties, { note: 'card **************** of *', link: 'https://shop.example/orders/*' });
	for (const member of ['ids', 'session', 'user', 'client_event_id']) assert.equal(one[member], undefined, member);
	assert.equal(await hg.sigterm().then((r) => r.code), 0);
	const files = filesBelow(hg.dataDir);
	assert.ok(files.some((f) => f.includes('journal')) && files.some((f) => f.includes('headgate.rejected')));
	const found = [];
	for (const file of files) {
		const bytes = readFileSync(file);
		for (const [what, needle] of Object.entries(needles)) if (bytes.includes(needle)) found.push(`${what} in ${file}`);
	}
	assert.deepEqual(found, []);
	for (const [what, needle] of Object.entries(needles)) assert.ok(!hg.stderr.includes(needle), `${what} in the log`);
	await hg.restart();
});

test('reduced: click ids, ids of advertisers and hashes go, the address is cut; the rest stays', async () => {
	const line = await send(pageView({ consent: { analytics: 'granted', ads: 'denied' }, user_id: 'u-1', ids: { fbp: 'fb.1', advertising_id: 'ad', group_id: 'g' }, user: { email: 'a@b.kr' },
		context: { page: { url: 'https://shop.example/p/1?gclid=x&utm_source=news&q=2' } } }));
	assert.equal(line.consent.applied, 'reduced');
	assert.deepEqual([line.ids.user_id, line.ids.group_id, line.ids.fbp, line.ids.advertising_id], ['u-1', 'g', undefined, undefined]);
	assert.equal(line.user, undefined);
	assert.equal(line.context.page.url, 'https://shop.example/p/1?utm_source=news&q=2');
	assert.deepEqual([line.context.click_ids, line.context.campaign.source, line.context.ip, line.context.user_agent], [undefined, 'news', '203.0.113.0', CHROME]);
});

test('kept: the forms that each platform hashes; a card or resident number stays nowhere', async () => {
	const before = (await hg.metrics()).get('headgate_pii_found_total', { source: 'dev', kind: 'resident_number' });
	const line = await send(pageView({ user: { email: ' Mina.Kim+x@Gmail.com ', phone: '010-1234-5678', name: '김민아' },
		properties: { note: '900101-1234567', card: '4111 1111 1111 1111', barcode: '8801062518210' }, context: { page: { url: 'https://shop.example/s?q=mina%40b.kr' } } }));
	assert.equal(line.consent.applied, 'kept');
	assert.deepEqual(line.user, { hashed: { email: sha256('mina.kim+x@gmail.com'), email_google: sha256('minakim@gmail.com'), phone_e164: sha256('+821012345678'), phone_digits: sha256('821012345678') } });
	assert.deepEqual([line.properties.note, line.properties.card, line.properties.barcode], ['******-*******', '**** **** **** ****', '8801062518210']);
	assert.equal(line.context.page.url, 'https://shop.example/s?q=*');
	const m = await hg.metrics();
	assert.equal(m.get('headgate_pii_found_total', { source: 'dev', kind: 'resident_number' }) - before, 1);
	assert.ok(m.get('headgate_pii_found_total', { source: 'dev', kind: 'email' }) >= 1);
	for (const phone of ['+82 010 1234 5678', '+82 10 1234 5678']) assert.equal((await send(pageView({ user: { phone } }))).user.hashed.phone_e164, sha256('+821012345678'), phone);
});

test('a refused event goes to its dead letter by the same rules', async () => {
	const id = uniqueId();
	const answer = await hg.post(purchase({ event_id: id, user: { email: 'mina@b.kr' }, properties: { value: 'x', note: '4111111111111111', who: 'mina@b.kr' } }));
	assert.equal(answer.status, 400);
	const letter = await stored(id, 'headgate.rejected');
	assert.deepEqual([letter.payload.user, letter.payload.properties.note, letter.payload.properties.who], [{}, '****************', '*']);
});

test('context: campaign, click ids, how the page was reached, device, hints; what the event says itself stays', async () => {
	const url = 'https://shop.example/?utm_source=naver&utm_medium=cpc&utm_campaign=%EA%B0%80%EC%9D%84&utm_term=%B0%A1&gclid=Cj0&n_media=27758&NaPm=ct%3Dx';
	const line = await send(pageView({ context: { page: { url, referrer: 'https://search.naver.com/' }, campaign: { source: 'own' }, device: { browser: 'Own' } } }), { headers: { 'sec-ch-ua': '"Chromium";v="130"', 'sec-ch-ua-mobile': '?0' } });
	const { context } = line;
	assert.deepEqual(context.page, { url, referrer: 'https://search.naver.com/', referrer_class: 'paid', landing: true });
	assert.deepEqual(context.campaign, { source: 'own', medium: 'cpc', name: '가을', term: '%B0%A1' });
	assert.deepEqual(context.click_ids, { gclid: 'Cj0', n_media: '27758', NaPm: 'ct%3Dx' });
	assert.deepEqual(context.device, { browser: 'Own', class: 'desktop', os: 'Windows' });
	assert.deepEqual(context.client_hints, { ua: '"Chromium";v="130"', mobile: '?0' });
	assert.deepEqual([context.ip, context.internal, context.bot], ['203.0.113.77', undefined, undefined]);
	const partner = await send(pageView({ context: { page: { url: 'https://shop.example/', referrer: 'https://www.partner.example/x' } } }));
	assert.equal(partner.context.page.referrer_class, 'partner');
	const cut = await send(pageView({ consent: { ads: 'denied' } }), { headers: { 'x-forwarded-for': '198.51.100.9' } });
	assert.deepEqual([cut.context.internal, cut.context.ip], [true, '198.51.100.0'], 'judged before the address is cut');
});

test('an id for a day, without cookie: where a source asks for it and nobody has said no', async () => {
	const id = async (event, headers = {}) => (await send(pageView({ anonymous_id: 'a', ...event }), { key: 'quiet-key', headers })).ids;
	const first = await id();
	assert.deepEqual(Object.keys(first), ['daily_id']);
	assert.match(first.daily_id, /^[0-9a-f]{32}$/);
	assert.deepEqual(await id({ anonymous_id: 'b' }), first);
	assert.notDeepEqual(await id({}, { 'user-agent': 'Other/1' }), first);
	assert.equal(await id({ consent: { analytics: 'denied' } }), undefined);
	assert.equal(await id({ consent: { ads: 'denied' } }), undefined);
	assert.equal(await id({}, { 'sec-gpc': '1' }), undefined);
});

test('country and city by the whole address; of a stripped event the country alone', async () => {
	const from = async (address, event = {}) => (await send(pageView(event), { headers: { 'x-forwarded-for': address } })).context.geo;
	assert.deepEqual(await from('203.0.113.9'), { country: 'KR', city: 'Seoul' });
	assert.deepEqual(await from('203.0.113.9', { consent: { ads: 'denied' } }), { country: 'KR', city: 'Seoul' });
	assert.deepEqual(await from('203.0.113.9', { context: { geo: { city: 'Own' } } }), { city: 'Own', country: 'KR' });
	assert.deepEqual(await from('203.0.113.9', { consent: { analytics: 'denied', ads: 'denied' } }), { country: 'KR' });
	assert.deepEqual(await from('192.0.2.1'), { country: 'DE' });
	assert.equal(await from('203.0.113.200'), undefined, 'the other half of the network');
	assert.equal(await from('2001:db8::1'), undefined);
	const broken = join(home, 'broken.mmdb');
	writeFileSync(broken, 'not a database');
	const failed = await Headgate.start({ config: { context: { geo_database: broken } }, expectExit: true });
	assert.equal((await failed.exit).code, 78);
	assert.match(failed.stderr, /context.geo_database/);
	await failed.close();
});

test('the client is the one that a trusted proxy names, by X-Forwarded-For or Forwarded, from the right', async () => {
	const ip = async (headers) => (await send(pageView(), { headers })).context.ip;
	assert.equal(await ip({ 'x-forwarded-for': '6.6.6.6, 203.0.113.5' }), '203.0.113.5');
	const forwarded = async (value, headers = {}) => {
		const event = pageView();
		assert.equal((await hg.post(event, { headers: { forwarded: value, ...headers } })).status, 200);
		return (await stored(event.event_id)).context.ip;
	};
	assert.equal(await forwarded('for=6.6.6.6, for="[2001:db8::7]:443";proto=https'), '2001:db8::7');
	assert.equal(await forwarded('for=203.0.113.6, for=127.0.0.1'), '203.0.113.6');
	assert.equal(await forwarded('for=203.0.113.6, for=unknown'), '127.0.0.1');
	assert.equal(await forwarded('for=6.6.6.6', { 'x-forwarded-for': '203.0.113.8' }), '203.0.113.8');
});

test('a picture of an old page: what is no UTF-8 stays percent-encoded', async () => {
	const answer = await hg.get('/v1/pixel.gif?key=dev&event=page_view&event_id=euc-kr-1&context.page.url=https://shop.example/s?q=%B0%A1&context.page.title=%B0%A1+%EA%B0%80');
	assert.equal(answer.status, 200);
	assert.deepEqual((await stored('euc-kr-1')).context.page, { url: 'https://shop.example/s?q=%B0%A1', title: '%B0%A1 가', referrer_class: 'direct' });
});

test('ten thousand parameters in a page URL are read in no time', async () => {
	const url = `https://shop.example/?${Array.from({ length: 10_000 }, (_, i) => `n_${i}=1`).join('&')}`;
	const began = Date.now();
	const answer = await hg.post(pageView({ context: { page: { url } } }), { headers: { 'user-agent': CHROME } });
	assert.equal(answer.status, 400, 'longer than the schema allows');
	assert.equal((await hg.post(pageView({ context: { page: { url: url.slice(0, 8000) } } }))).status, 200);
	assert.ok(Date.now() - began < 2000);
});

test('robots are flagged as the list itself does, browsers only, none of them dropped', async () => {
	const list = createRequire(join(root, 'tests/package.json'))('crawler-user-agents');
	const shipped = readFileSync(join(root, 'src/identity/crawlers.txt'), 'utf8').split('\n').filter((l) => l && !l.startsWith('#'));
	assert.deepEqual(shipped, list.map((entry) => entry.pattern), 'the list is that of the package');
	const patterns = list.map((entry) => new RegExp(entry.pattern));
	const agents = list.flatMap((entry) => entry.instances.slice(0, 1)).filter((agent) => /^[\x20-\x7e]+$/.test(agent) && agent === agent.trim() && agent.length < 1000).filter((_, i) => i % 3 === 0);
	agents.push(CHROME, 'curl/8', 'x', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1');
	assert.ok(agents.length > 300);
	const sent = [];
	for (const agent of agents) {
		const event = pageView();
		sent.push([event.event_id, agent]);
		assert.equal((await hg.post(event, { headers: { 'user-agent': agent } })).status, 200);
	}
	await hg.drained();
	const stored = new Map(hg.files().map((f) => [f.event.event_id, f.event]));
	for (const [id, agent] of sent) assert.equal(Boolean(stored.get(id).context.bot), patterns.some((p) => p.test(agent)), agent);
	const server = await send(pageView({ context: { user_agent: 'Googlebot/2.1' } }), { key: SERVER_KEY });
	assert.equal(server.context.bot, undefined);
});
