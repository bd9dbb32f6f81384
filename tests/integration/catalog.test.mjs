// The tools for the schemas: lint, diff, documents, types, the canonical schema; and that a running daemon follows edits.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { binary, headgate, purchase, root, uniqueId, waitFor } from './lib/headgate.mjs';

const dir = mkdtempSync(join(tmpdir(), 'headgate-tools-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const { HEADGATE_BINARY, HEADGATE_CACHE, ...surroundings } = process.env;
const schemas = join(root, 'schemas');

function run(args, env = {}) {
	return new Promise((done) => {
		execFile(binary, args, { env: { ...surroundings, HEADGATE_CATALOG__DIR: schemas, ...env }, cwd: dir, timeout: 30_000, maxBuffer: 1 << 26 },
			(error, stdout, stderr) => done({ code: error ? error.code : 0, stdout, stderr }));
	});
}
let number = 0;
function catalog(files) {
	const at = join(dir, `catalog-${number++}`);
	for (const [path, schema] of Object.entries(files)) {
		mkdirSync(join(at, path, '..'), { recursive: true });
		writeFileSync(join(at, path), typeof schema === 'string' ? schema : JSON.stringify(schema));
	}
	return at;
}
const visit = (properties, over = {}) => ({ description: 'A visit.', type: 'object', properties, examples: [{}], ...over });

test('lint: the shipped catalog has no error; others are told with file, pointer and reason', async () => {
	const shipped = await run(['catalog', 'lint', schemas]);
	assert.equal(shipped.code, 0, shipped.stdout);
	assert.match(shipped.stdout, /^0 errors, /m);
	const bad = catalog({
		'events/visit/1-0-0.json': visit({ a: { type: 'string', pattern: '^(a+)+$' }, b: { type: 'integer', examples: ['x'] } }),
		'events/other/1-0-0.json': visit({ c: { type: 'txt' } }),
	});
	const result = await run(['catalog', 'lint', bad]);
	assert.equal(result.code, 65);
	assert.match(result.stdout, /^error .*events\/visit\/1-0-0\.json#\/properties\/a\/pattern: nests repetitions/m);
	assert.match(result.stdout, /^error .*events\/other\/1-0-0\.json#\/properties\/c\/type: /m, 'one bad file does not hide the next');
	assert.match(result.stdout, /^warning .*#\/properties\/a: no description$/m);
	assert.equal((await run(['catalog', 'lint', join(dir, 'none')])).code, 66);
	assert.equal((await run(['catalog', 'nonsense'])).code, 64);
});

test('an example that fails, and a number against the changes, refuse the start', async () => {
	const example = catalog({ 'events/visit/1-0-0.json': visit({ b: { type: 'integer', maximum: 5, examples: [3, 7] } }) });
	const numbers = catalog({ 'events/visit/1-0-0.json': visit({ b: { type: 'integer' } }), 'events/visit/1-0-1.json': visit({ b: { type: 'integer' } }, { required: ['b'], examples: [{ b: 1 }] }) });
	for (const [folder, reason] of [[example, /1-0-0\.json#\/properties\/b\/examples\/1: /], [numbers, /1-0-1\.json#\/properties\/b: now required since 1-0-0, which breaks producers: MODEL must grow/]]) {
		for (const args of [['check'], ['serve', '--data-dir', join(dir, 'never'), '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0']]) {
			const result = await run(args, { HEADGATE_CATALOG__DIR: folder });
			assert.equal(result.code, 78, result.stdout + result.stderr);
			assert.match(result.stderr, reason);
		}
	}
});

test('diff: files and folders, what breaks whom, and 65 where the numbers say otherwise', async () => {
	const old = catalog({ 'events/visit/1-0-0.json': visit({ a: { type: 'string', maxLength: 10 } }), 'events/gone/1-0-0.json': visit({}) });
	const now = catalog({ 'events/visit/1-0-0.json': visit({ a: { type: 'string', maxLength: 10 } }), 'events/visit/2-0-0.json': visit({ a: { type: 'string', maxLength: 5 } }), 'events/fresh/1-0-0.json': visit({}) });
	const files = await run(['catalog', 'diff', join(old, 'events/visit/1-0-0.json'), join(now, 'events/visit/2-0-0.json')]);
	assert.equal(files.code, 0, files.stderr);
	assert.match(files.stdout, /^\/properties\/a\/maxLength: bound tightened \(10 to 5\): breaks producers: MODEL$/m);
	assert.match(files.stdout, /^MODEL must grow$/m);
	const folders = await run(['catalog', 'diff', old, now]);
	assert.equal(folders.code, 65);
	assert.match(folders.stdout, /^gone: 1-0-0 is gone: breaks producers and consumers$/m);
	assert.match(folders.stdout, /^fresh: 1-0-0 is new: breaks nothing$/m);
	assert.match(folders.stdout, /^visit: 2-0-0 is new, after 1-0-0$/m);
	const same = await run(['catalog', 'diff', schemas, schemas]);
	assert.deepEqual([same.code, same.stdout], [0, '']);
	writeFileSync(join(now, 'events/visit/1-0-1.json'), JSON.stringify(visit({ a: { type: 'string', maxLength: 5 } })));
	assert.equal((await run(['catalog', 'diff', join(old, 'events/visit/1-0-0.json'), join(now, 'events/visit/1-0-1.json')])).code, 65);
	// A shared definition that changes is a change of every event that uses it.
	const copy = join(dir, 'copy');
	cpSync(schemas, copy, { recursive: true });
	const items = JSON.parse(readFileSync(join(copy, 'common/items.json')));
	items.$defs.item.properties.name.maxLength = 400;
	writeFileSync(join(copy, 'common/items.json'), JSON.stringify(items));
	const shared = await run(['catalog', 'diff', schemas, copy]);
	assert.equal(shared.code, 65);
	assert.match(shared.stdout, /^product_view: 1-0-0 changed in place$/m);
	assert.match(shared.stdout, /^ {2}\/properties\/items\/items\/properties\/name\/maxLength: bound tightened/m);
});

const require = createRequire(join(root, 'tests/package.json'));
const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

test('docs: one page, in a browser, that loads nothing, is accessible, and finds', async (t) => {
	const file = join(dir, 'docs.html');
	assert.equal((await run(['catalog', 'docs', '--out', file])).code, 0);
	// axe looks at each cell of each table: three events have all that the page is made of
	const few = join(dir, 'few'), short = join(dir, 'short.html');
	for (const part of ['common', 'events/purchase', 'events/lead', 'events/survey_response']) cpSync(join(schemas, part), join(few, part), { recursive: true });
	assert.equal((await run(['catalog', 'docs', '--out', short], { HEADGATE_CATALOG__DIR: few })).code, 0);
	const { chromium } = require('playwright-core');
	const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
	const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
	t.after(() => browser.close());
	for (const [colorScheme, viewport] of [['light', { width: 1280, height: 900 }], ['dark', { width: 1280, height: 900 }], ['light', { width: 390, height: 800 }]]) {
		const page = await browser.newPage({ colorScheme, viewport });
		const asked = [], wrong = [];
		page.on('request', (r) => asked.push(r.url()));
		page.on('pageerror', (e) => wrong.push(String(e)));
		await page.goto(`file://${short}`);
		await page.evaluate(axe);
		const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
		assert.ok(passes.length > 10);
		assert.deepEqual(violations.map((v) => `${v.impact} ${v.id}: ${v.nodes[0].html.slice(0, 200)}`), [], colorScheme);
		await page.goto(`file://${file}`);
		assert.deepEqual(asked, [`file://${short}`, `file://${file}`], 'nothing else is loaded');
		assert.deepEqual(wrong, []);
		assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true, 'no sideways scrolling');
		await page.close();
	}
	const page = await browser.newPage();
	await page.goto(`file://${file}`);
	const events = readdirSync(join(schemas, 'events')).length;
	assert.equal(await page.locator('section.event').count(), events);
	await page.keyboard.press('/');
	await page.keyboard.type('refund_id');
	await waitFor(async () => (await page.locator('section.event:visible').count()) < events / 2, { what: 'fewer events' });
	assert.ok(await page.locator('section#refund').isVisible());
	assert.match(await page.locator('#shown-count').textContent(), new RegExp(`^\\d+ of ${events} events$`));
	await page.fill('#search-box', 'no such thing anywhere');
	assert.equal(await page.locator('section.event:visible').count(), 0);
	await page.fill('#search-box', '');
	const purchaseText = await page.locator('section#purchase').innerText();
	for (const part of ['required', 'items[].price', 'curl http', 'What is sent', 'What is stored', 'analytics', '1-0-0', 'An order was placed']) assert.ok(purchaseText.includes(part), part);
	assert.match(await page.locator('section#lead').innerText(), /personal: free_text/);
	if (process.env.DOCS_PICTURE) await page.screenshot({ path: process.env.DOCS_PICTURE });
});

test('docs: markup in a schema stays text; versions tell what changed; Markdown says the same', async () => {
	const nasty = '</pre><script>alert(1)</script> | `x` *y*';
	const at = catalog({
		'events/visit/1-0-0.json': visit({ a: { type: 'string', maxLength: 10, description: nasty, examples: ["it's"] } }, { title: nasty, description: nasty, examples: [{ a: "it's <b>" }] }),
		'events/visit/1-0-1.json': visit({ a: { type: 'string', maxLength: 10, description: 'A.' }, mail: { type: 'string', maxLength: 200, description: 'M.', 'x-pii': 'email', 'x-pii-action': 'hash' } },
			{ examples: [{ a: 'x', mail: 'kim@example.com' }], 'x-headgate': { when: 'when the door opens', aliases: { event: ['Door Opened'], properties: { letter: 'a' } } } }),
	});
	const html = (await run(['catalog', 'docs'], { HEADGATE_CATALOG__DIR: at })).stdout;
	assert.ok(!html.includes('<script>alert'));
	assert.equal(html.match(/<script>/g).length, 1);
	for (const part of ['when the door opens', 'Door Opened', 'optional property added', '(email: hashed)', '1-0-0']) assert.ok(html.includes(part), part);
	const markdown = (await run(['catalog', 'docs', '--format', 'markdown'], { HEADGATE_CATALOG__DIR: at })).stdout;
	for (const part of ['## visit', 'when the door opens', 'Door Opened', 'optional property added', '(email: hashed)', '| `mail` |']) assert.ok(markdown.includes(part), part);
	assert.equal((await run(['catalog', 'docs', '--format', 'pdf'])).code, 64);
});

function compile(source) {
	const ts = require('typescript');
	const file = join(dir, `types-${number++}.ts`);
	writeFileSync(file, source);
	const program = ts.createProgram([file], { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, types: [], exactOptionalPropertyTypes: true });
	return ts.getPreEmitDiagnostics(program).map((d) => ts.flattenDiagnosticMessageText(d.messageText, ' '));
}

test('types: strict TypeScript takes what the schema takes and refuses what it refuses', async () => {
	const types = (await run(['catalog', 'types'])).stdout;
	assert.deepEqual(compile(types), []);
	const good = [
		'{ event: "purchase", properties: { order_id: "1", currency: "KRW", value: 1, items: [{ product_id: "a", price: 1, quantity: 1 }] } }',
		'{ event: "page_view" }',
		'{ event: "page_view", anonymous_id: "v", properties: { name: "home", note_of_our_own: true } }',
		'{ event: "search", properties: { search_term: "x", filters: { colour: "navy", size: 38 } }, consent: { ads: "denied" } }',
	];
	const bad = [
		'{ event: "purchase" }',
		'{ event: "purchase", properties: { order_id: "1", currency: "KRW", value: "1", items: [] } }',
		'{ event: "purchase", properties: { order_id: "1", currency: "XXX", value: 1, items: [] } }',
		'{ event: "purchase", properties: { order_id: "1", currency: "KRW", value: 1, items: [{ product_id: "a" }] } }',
		'{ event: "no_such_event" }',
		'{ event: "search", properties: { search_term: "x", serach: 1 } }',
	];
	for (const event of good) assert.deepEqual(compile(`${types}\nexport const e: HeadgateEvent = ${event};\n`), [], event);
	for (const event of bad) assert.notDeepEqual(compile(`${types}\nexport const e: HeadgateEvent = ${event};\n`), [], event);
});

test('types: the tracking plan has every version with its properties', async () => {
	const plan = JSON.parse((await run(['catalog', 'types', '--format', 'plan'])).stdout);
	assert.equal(plan.events.length, readdirSync(join(schemas, 'events')).flatMap((e) => readdirSync(join(schemas, 'events', e))).length);
	const entry = plan.events.find((e) => e.event === 'purchase');
	assert.deepEqual(entry.properties.find((p) => p.path === 'items[].price').required, true);
	assert.deepEqual(entry.purposes, ['analytics']);
	assert.equal(plan.events.find((e) => e.event === 'lead').properties.find((p) => p.path === 'message').pii, 'free_text');
});

test('schema: what the daemon stores satisfies it, and it stands alone', async (t) => {
	const hg = await headgate(t);
	assert.equal((await hg.post([purchase(), { event: 'lead', event_id: uniqueId(), properties: { lead_id: 'L-1', message: 'call me' } }])).status, 200);
	const stored = await hg.delivered(2);
	for (const event of stored) {
		const schema = JSON.parse((await run(['catalog', 'schema', event.event])).stdout);
		assert.equal(schema.$id, `urn:headgate:event:${event.event}:1-0-0`);
		assert.ok(!JSON.stringify(schema).includes('$ref'));
		const judge = async (document) => {
			const body = JSON.stringify({ schema, documents: [document] });
			return (await hg.admin('/v1/validate', { method: 'POST', body, headers: { 'content-length': Buffer.byteLength(body), 'content-type': 'application/json', authorization: `Bearer ${hg.adminToken}` } })).text;
		};
		const right = await judge(event), wrong = await judge({ ...event, version: '9-9-9' });
		assert.match(right, /"valid":true/);
		assert.match(wrong, /"valid":false/);
	}
	assert.equal((await run(['catalog', 'schema', 'purchase/1-0-0'])).code, 0);
	assert.equal((await run(['catalog', 'schema', 'purchase/7'])).code, 66);
	assert.equal((await run(['catalog', 'schema', 'nothing'])).code, 66);
});

test('watch: an edit takes effect, a broken one keeps the last good catalog and is told', async (t) => {
	const at = catalog({ 'events/visit/1-0-0.json': visit({ a: { type: 'string', maxLength: 10 } }) });
	const hg = await headgate(t, { config: { catalog: { dir: at, watch: true } } });
	const send = (event, properties) => hg.post({ event, event_id: uniqueId(), properties });
	assert.equal((await send('fresh', {})).status, 400);
	mkdirSync(join(at, 'events/fresh'));
	writeFileSync(join(at, 'events/fresh/1-0-0.json'), JSON.stringify(visit({})));
	await waitFor(async () => (await send('fresh', {})).status === 200, { what: 'the new event' });

	const before = (await hg.status()).catalog.fingerprint;
	writeFileSync(join(at, 'events/visit/1-1-0.json'), '{"type":"object","properties":{"a":{"type":"strin"}}}');
	const status = await waitFor(async () => { const s = await hg.status(); return s.reload.ok === false && s; }, { what: 'the failed reload' });
	assert.match(status.reload.error, /events\/visit\/1-1-0\.json#\/properties\/a\/type: must be one of/);
	assert.equal(status.catalog.fingerprint, before);
	assert.equal((await send('visit', { a: 'x' })).status, 200, 'intake goes on');
	assert.ok(hg.stderr.includes('reload_failed') && hg.stderr.includes('1-1-0.json#/properties/a/type'));

	rmSync(join(at, 'events/visit/1-1-0.json'));
	await waitFor(async () => (await hg.status()).reload.ok === true, { what: 'the mended catalog' });
	// A second edit of a folder that was made while it was watched is seen as well.
	writeFileSync(join(at, 'events/fresh/1-0-0.json'), JSON.stringify(visit({ b: { type: 'integer' } })));
	await waitFor(async () => (await send('fresh', { b: 'x' })).status === 400, { what: 'the edited event' });
});

test('without watch nothing is followed', async (t) => {
	const at = catalog({ 'events/visit/1-0-0.json': visit({}) });
	const hg = await headgate(t, { config: { catalog: { dir: at } } });
	mkdirSync(join(at, 'events/fresh'));
	writeFileSync(join(at, 'events/fresh/1-0-0.json'), JSON.stringify(visit({})));
	const began = Date.now();
	await waitFor(() => Date.now() - began > 1500, { what: 'time enough for a watch' });
	assert.equal((await hg.post({ event: 'fresh', event_id: uniqueId(), properties: {} })).status, 400);
	hg.sighup();
	await waitFor(async () => (await hg.post({ event: 'fresh', event_id: uniqueId(), properties: {} })).status === 200, { what: 'the reload by hand' });
});
