// JSONTestSuite (N. Seriot) as request bodies: what is not JSON is 400 and counted, what is JSON is never our fault, and
// what the suite leaves open is settled as the table says. SUITES names the folder; absent, all of it is skipped.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, root } from './lib/headgate.mjs';

const folder = join(resolve(root, process.env.SUITES || '../shared/suites'), 'JSONTestSuite/test_parsing');
const skip = existsSync(folder) ? false : `no ${folder}`;
const files = (kind) => readdirSync(folder).filter((f) => f.startsWith(`${kind}_`) && f.endsWith('.json')).sort();
const body = (name) => readFileSync(join(folder, name));

// Not UTF-8, so that not even the brackets can be told; or a byte order mark, which RFC 8259 lets a reader refuse.
const refusedWhole = new Set(['i_string_UTF-16LE_with_BOM.json', 'i_string_utf16BE_no_BOM.json', 'i_string_utf16LE_no_BOM.json', 'i_structure_UTF-8_BOM_empty_object.json']);

let hg;
before(async () => { if (!skip) hg = await Headgate.start(); });
after(() => hg?.close());

async function books() {
	const m = await hg.metrics();
	return { rejected: m.get('headgate_events_total', { verdict: 'rejected' }), all: m.get('headgate_events_total'), requests: m.get('headgate_requests_total', { route: 'events' }) };
}

test('n_: 400 with error, one received and one rejected each', { skip }, async () => {
	const names = files('n');
	assert.equal(names.length, 188);
	const before = await books();
	for (const name of names) {
		const answer = await hg.post(body(name));
		assert.equal(answer.status, 400, `${name}: ${answer.text}`);
		assert.equal(answer.json?.error?.code, 'malformed_body', `${name}: ${answer.text}`);
		assert.ok(answer.headers['x-request-id'], name);
	}
	const after = await books();
	assert.deepEqual([after.rejected - before.rejected, after.all - before.all, after.requests - before.requests], [188, 188, 188]);
	await hg.drained();
	assert.equal(hg.files('headgate.rejected').length, 188);
});

test('n_ as the properties of one event: refused whole, or alone as a line', { skip }, async () => {
	for (const name of files('n')) {
		const bytes = Buffer.concat([Buffer.from('{"event":"page_view","properties":{"a":'), body(name), Buffer.from('}}')]);
		const answer = await hg.post(bytes, { type: 'application/x-ndjson' });
		assert.ok([200, 207, 400].includes(answer.status), `${name}: ${answer.status}`);
	}
});

test('y_: well-formed, whatever becomes of it as an event; counted', { skip }, async () => {
	const names = files('y');
	assert.equal(names.length, 95);
	const before = await books();
	for (const name of names) {
		const answer = await hg.post(body(name));
		assert.ok(answer.status < 500, `${name}: ${answer.status}`);
		if (answer.json?.error) assert.ok(/no events|must be an event object/.test(answer.json.error.message), `${name}: ${answer.text}`);
		const inside = Buffer.concat([Buffer.from('{"event":"page_view","properties":{"a":'), body(name), Buffer.from('}}')]);
		assert.ok((await hg.post(inside)).json?.received === 1, `${name} inside an event`);
	}
	assert.equal((await books()).requests - before.requests, 2 * names.length);
});

test('i_: settled', { skip }, async () => {
	for (const name of files('i')) {
		const answer = await hg.post(body(name));
		assert.equal(answer.status, 400, `${name} holds no event`);
		assert.equal(answer.json?.error?.code === 'malformed_body' && /well-formed/.test(answer.json.error.message), refusedWhole.has(name), `${name}: ${answer.text}`);
	}
});

test('the books balance, and the instance still serves', { skip }, async () => {
	await hg.drained();
	const m = await hg.metrics();
	assert.equal(m.get('headgate_dead_letters_total', { state: 'accepted' }), m.get('headgate_dead_letters_total', { state: 'delivered' }));
	assert.equal((await hg.post({ event: 'page_view' })).status, 200);
});
