// GET /v1/pixel.gif: one event from the query, and always the same GIF.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Headgate, uniqueId } from './lib/headgate.mjs';

let hg;
before(async () => { hg = await Headgate.start(); });
after(() => hg?.close());

const pixel = (params, options = {}) => hg.request(options.method ?? 'GET', `/v1/pixel.gif?${params instanceof URLSearchParams ? params : new URLSearchParams(params)}`, options);
function isGif(answer, status) {
	assert.equal(answer.status, status, answer.text);
	assert.equal(answer.headers['content-type'], 'image/gif');
	assert.equal(answer.body.subarray(0, 6).toString('latin1'), 'GIF89a');
	assert.deepEqual([answer.body.readUInt16LE(6), answer.body.readUInt16LE(8)], [1, 1]);
	assert.equal(answer.headers['cache-control'], 'no-store');
	assert.equal(answer.headers['cross-origin-resource-policy'], 'cross-origin');
}
const stored = async (id, topic) => {
	await hg.drained();
	return hg.files(topic).find((f) => f.event.event_id === id)?.event;
};

test('dotted keys become an event; a retry is a duplicate and still 200', async () => {
	const id = uniqueId();
	const params = { key: 'dev', event: 'page_view', event_id: id, anonymous_id: 'p-1', 'context.page.url': 'https://shop.example/a?b=c&d=é', 'context.page.title': 'Hello world' };
	isGif(await pixel(params), 200);
	isGif(await pixel(params), 200);
	const line = await stored(id);
	assert.equal(line.context.page.url, 'https://shop.example/a?b=c&d=é');
	assert.equal(line.context.page.title, 'Hello world');
	assert.equal(line.ids.anonymous_id, 'p-1');
	assert.equal((await hg.metrics()).get('headgate_events_total', { event: 'page_view', verdict: 'duplicate' }), 1);
});

test('the catalog says what is a number; everything else stays a string', async () => {
	const id = uniqueId();
	isGif(await pixel({ key: 'dev', event: 'purchase', event_id: id, 'properties.order_id': '12345', 'properties.currency': 'EUR', 'properties.value': '20.50',
		'properties.items.0.product_id': '77', 'properties.items.0.price': '10.25', 'properties.items.0.quantity': '2', 'properties.items.1.product_id': 'b', 'properties.items.1.price': '0', 'properties.items.1.quantity': '1' }), 200);
	const line = await stored(id);
	assert.ok(line, 'accepted');
	assert.deepEqual(line.properties, { order_id: '12345', currency: 'EUR', value: 20.5, items: [{ product_id: '77', price: 10.25, quantity: 2 }, { product_id: 'b', price: 0, quantity: 1 }] });
});

test('context and user have types of their own, and are known for every event', async () => {
	const id = uniqueId();
	isGif(await pixel({ key: 'dev', event: 'page_view', event_id: id, 'context.internal': 'true', 'context.bot': 'false', 'context.screen.width': '1920', 'user.name': 'true', 'properties.note': 'true' }), 200);
	const line = await stored(id);
	assert.ok(line, 'accepted');
	assert.deepEqual([line.context.internal, line.context.bot, line.context.screen, line.properties], [true, undefined, { width: '1920' }, { note: 'true' }]);
});

test('the elements of an array come in any order', async () => {
	const keys = Array.from({ length: 12 }, (_, i) => `${i}`);
	const send = async (order) => {
		const id = uniqueId();
		const params = [['key', 'dev'], ['event', 'page_view'], ['event_id', id], ...order.map((k) => [`properties.own.${k}`, `v${k}`])];
		isGif(await pixel(new URLSearchParams(params)), 200);
		return (await stored(id)).properties.own;
	};
	const values = keys.map((k) => `v${k}`);
	assert.deepEqual(await send([...keys].sort()), values);
	assert.deepEqual(await send([...keys].reverse()), values);
	assert.deepEqual(await send(['1', '2']), { 1: 'v1', 2: 'v2' }, 'no array: it does not begin at 0');
	assert.deepEqual(await send(['0', '2']), { 0: 'v0', 2: 'v2' });
	assert.deepEqual(await send(['0', '01']), { '0': 'v0', '01': 'v01' });
});

test('data= carries base64url JSON', async () => {
	const id = uniqueId();
	const data = Buffer.from(JSON.stringify({ event: 'page_view', event_id: id, properties: { a: 'ü>?' } })).toString('base64url');
	isGif(await pixel({ key: 'dev', data }), 200);
	assert.equal((await stored(id)).properties.a, 'ü>?');
	isGif(await pixel({ key: 'dev', data: '!!!' }), 400);
});

test('a rejected event is 200 too, and a dead letter', async () => {
	const id = uniqueId();
	isGif(await pixel({ key: 'dev', event: 'purchase', event_id: id, 'properties.value': 'many' }), 200);
	assert.equal(await stored(id), undefined);
	assert.equal((await stored(id, 'headgate.rejected')).protocol, 'pixel');
});

test('anything else is the same GIF with its status', async () => {
	isGif(await pixel({ event: 'page_view' }), 401);
	isGif(await pixel({ key: 'dev', event: 'page_view' }, { headers: { origin: 'https://elsewhere.example' } }), 403);
	isGif(await pixel({ key: 'dev', event: 'page_view' }, { method: 'POST', headers: { 'content-length': 0 } }), 405);
});

test('HEAD stores nothing', async () => {
	const before = (await hg.metrics()).get('headgate_events_total');
	const answer = await pixel({ key: 'dev', event: 'page_view' }, { method: 'HEAD' });
	assert.equal(answer.status, 200);
	assert.equal(answer.body.length, 0);
	assert.equal((await hg.metrics()).get('headgate_events_total'), before);
});
