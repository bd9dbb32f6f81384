// headgate privacy: the page for a data-protection officer, from configuration and catalog.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { binary, cleanEnv, root } from './lib/headgate.mjs';

const require = createRequire(join(root, 'tests/package.json'));
const dir = mkdtempSync(join(tmpdir(), 'headgate-privacy-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const schemas = join(root, 'schemas');
const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

function run(args, config, env = {}) {
	const file = join(dir, 'headgate.jsonc');
	writeFileSync(file, JSON.stringify({ catalog: { dir: schemas }, sources, ...config }));
	return new Promise((done) => {
		execFile(binary, ['privacy', '--config', file, ...args], { env: { ...cleanEnv, ...env }, cwd: dir, timeout: 30_000, maxBuffer: 1 << 26 },
			(error, stdout, stderr) => done({ code: error ? error.code : 0, stdout, stderr }));
	});
}

const sources = {
	'shop-web': { kind: 'browser', keys: ['pk_1'], consent_defaults: { analytics: 'denied' }, consent_country_defaults: { KR: { analytics: 'granted' } } },
	'shop-backend': { kind: 'server', keys: ['sk_1'], consent_defaults: { analytics: 'unknown', ads: 'denied' }, denied_events: 'dropped', ip: 'hash', dead_letter_payload: 'never' },
};
const purposes = ['analytics', 'ads', 'necessary'];
const all = Object.fromEntries(purposes.map((p) => [p, `text of ${p}`]));
const topics = ['headgate.events', 'headgate.unverified', 'headgate.rejected', 'headgate.consent', 'headgate.erasures'];
const stated = {
	kafka: { 'bootstrap.servers': '127.0.0.1:1' },
	privacy: {
		pii: { name: 'mask', phone: 'keep' },
		controller: 'Shop Ltd, 1 Main Street <Berlin>', contact: 'privacy@shop.example', country: 'Korea', refusal: 'the banner, or a mail to us',
		purposes: all, legal_basis: Object.fromEntries(purposes.map((p) => [p, `basis of ${p}`])),
		recipients: { 'Warehouse & Co': 'reports' }, recipient_countries: { 'Warehouse & Co': 'Netherlands' },
		retention: Object.fromEntries(topics.map((t) => [t, `12 days of ${t}`])),
	},
};

test('in a browser: accessible, loads nothing, holds every event and every mark', { timeout: 120_000 }, async (t) => {
	const file = join(dir, 'privacy.html'), short = join(dir, 'short.html'), few = join(dir, 'few');
	assert.equal((await run(['--out', file], stated)).code, 0);
	// axe looks at each cell of each table: a few events, and gaps, show it all
	for (const part of ['common', 'events/lead', 'events/consent_update']) cpSync(join(schemas, part), join(few, part), { recursive: true });
	assert.equal((await run(['--out', short], { catalog: { dir: few }, files: { retention_ms: 0 } })).code, 0);
	const { chromium } = require('playwright-core');
	const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
	const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
	t.after(() => browser.close());
	for (const [colorScheme, viewport] of [['light', { width: 1280, height: 900 }], ['dark', { width: 390, height: 800 }]]) {
		const page = await browser.newPage({ colorScheme, viewport });
		const asked = [];
		page.on('request', (r) => asked.push(r.url()));
		await page.goto(`file://${short}`);
		await page.evaluate(axe);
		const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
		assert.ok(passes.length > 10);
		assert.deepEqual(violations.map((v) => `${v.impact} ${v.id}: ${v.nodes[0].html.slice(0, 200)}`), [], colorScheme);
		assert.deepEqual(asked, [`file://${short}`]);
		assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true);
		await page.close();
	}
	const page = await browser.newPage();
	await page.goto(`file://${file}`);
	for (const event of readdirSync(join(schemas, 'events'))) {
		const text = await page.locator(`h3#event-${event}`).innerText();
		assert.ok(text.includes(event));
	}
	const marked = await page.locator('td .tag.pii').allInnerTexts();
	for (const kind of ['email', 'phone', 'name', 'address', 'ip', 'free_text', 'id']) assert.ok(marked.includes(kind), kind);
	const stored = async (property) => page.locator(`xpath=//tr[th/code="${property}"]/td[3]`).first().innerText();
	assert.equal(await stored('email'), 'dropped; where ads are granted, its SHA-256 is kept');
	assert.equal(await stored('phone'), 'kept');
	assert.equal(await stored('name'), 'masked');
	assert.equal(await stored('address.city'), 'dropped');
	for (const link of await page.locator('nav a').all()) {
		const id = (await link.getAttribute('href')).slice(1);
		assert.equal(await page.locator(`h2#${id}`).count(), 1, id);
	}
	assert.equal(await page.locator('.gap').count(), 0, 'everything is stated');
	const body = await page.locator('main').innerText();
	for (const part of ['Shop Ltd, 1 Main Street <Berlin>', 'privacy@shop.example', 'basis of analytics', 'text of ads', 'Warehouse & Co', 'Netherlands', '12 days of headgate.rejected', 'the banner, or a mail to us',
		'in KR: analytics granted', 'dropped', 'kept without content', 'headgate find', 'headgate erase', 'not anonymous', 'hg_id', 'as a keyed hash', 'redacted']) assert.ok(body.includes(part), part);
	if (process.env.DOCS_PICTURE) await page.screenshot({ path: process.env.DOCS_PICTURE });
});

test('what is not stated is marked and counted, with its key', async () => {
	const html = (await run([], {})).stdout;
	const gaps = html.match(/not stated \([^)]*\)/g);
	for (const key of ['controller', 'contact', 'country', 'refusal', 'purposes', 'legal_basis', 'recipients']) assert.ok(gaps.includes(`not stated (privacy.${key})`), key);
	assert.match(html, new RegExp(`${gaps.length} things are not stated`));
	const half = { ...stated, privacy: { ...stated.privacy, recipient_countries: {}, retention: {}, controller: null } };
	delete half.privacy.controller;
	const markdown = (await run(['--format', 'markdown'], half)).stdout;
	assert.equal(markdown.match(/not stated \(privacy.retention\)/g).length, topics.length);
	assert.match(markdown, /\| Warehouse & Co \| reports \| \*\*not stated \(privacy\.recipient\\_countries\)\*\* \|/);
	const files = (await run(['--format', 'markdown'], { files: { retention_ms: 0 }, audit_log: { retention_ms: '7d' } })).stdout;
	assert.match(files, /\| Event files \|[^|]*\| \*\*for ever \(files\.retention\\_ms\)\*\* \|/);
	assert.match(files, /\| Audit log \|[^|]*\| 7 days \|/);
	assert.match(markdown, /\*\*7 things are not stated\*\*/);
});

test('text stays text; the same input gives the same page; wrong options are told', async () => {
	const nasty = '</td><script>alert(1)</script> | *x*';
	const at = join(dir, 'catalog');
	mkdirSync(join(at, 'events/visit'), { recursive: true });
	writeFileSync(join(at, 'events/visit/1-0-0.json'), JSON.stringify({
		title: nasty, description: nasty, type: 'object', examples: [{}], 'x-headgate': { purposes: ['research'], topic: 'own.topic' },
		properties: { mail: { type: 'string', maxLength: 200, description: nasty, 'x-pii': 'email', 'x-pii-action': 'mask' }, home: { type: 'object', description: 'H.', 'x-pii': 'address', 'x-pii-action': 'drop', properties: { city: { type: 'string', description: 'C.' } } } },
	}));
	const config = { ...stated, catalog: { dir: at }, privacy: { ...stated.privacy, controller: nasty } };
	const html = (await run([], config)).stdout;
	assert.doesNotMatch(html, /<script/);
	assert.match(html, /masked/);
	const markdown = (await run(['--format', 'markdown'], config)).stdout;
	assert.match(markdown, /\| `research` \| \*\*not stated/);
	assert.match(markdown, /\| Kafka topic `own\.topic` \|/);
	assert.match(markdown, /\| `home\.city` \| C\. \| \*\*address\*\* \| dropped \|/, 'a part of what is marked is marked');
	assert.doesNotMatch(markdown, /[^\\]<script/);
	assert.equal((await run(['--format', 'markdown'], config)).stdout, markdown);
	assert.equal((await run(['--format', 'pdf'], stated)).code, 64);
	assert.equal((await run(['more'], stated)).code, 64);
	assert.equal((await run([], { catalog: { dir: join(dir, 'none') } })).code, 78);
});
