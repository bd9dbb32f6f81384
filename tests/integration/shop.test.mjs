// Foreign names through /v1/events: one purchase as three shops would name it; and sums that do not add up, carried as
// warnings.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Headgate, purchase, root, uniqueId } from './lib/headgate.mjs';

const KEY = 'foreign-0123456789abcdef';
let hg;
before(async () => {
	hg = await Headgate.start({
		config: { sources: { foreign: { kind: 'browser', keys: [KEY], accept_aliases: true, consent_defaults: { analytics: 'granted' } } } },
	});
});
after(() => hg?.close());

const shops = readFileSync(join(root, 'tests/catalog/aliases.ndjson'), 'utf8').trim().split('\n').map((l) => JSON.parse(l));
const stored = async (id, topic) => {
	await hg.drained();
	return hg.files(topic).find((f) => f.event.event_id === id);
};
const propertiesOf = (line) => line.slice(line.indexOf('"properties":'));

test('one purchase under four shops\' names: the same event, the same bytes of properties', async () => {
	const seen = new Set();
	for (const { event, properties } of shops) {
		// One order is one purchase: the shops are told apart by their order's number, written over before comparing.
		const order = uniqueId();
		const text = JSON.stringify({ event, event_id: uniqueId(), anonymous_id: 'a-1', properties }).replaceAll('O-20261122-0001', order);
		const answer = await hg.post(text, { key: KEY });
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.json.accepted, 1, answer.text);
		const { event: line, line: raw } = await stored(JSON.parse(text).event_id);
		assert.equal(line.event, 'purchase');
		assert.equal(line.properties.order_id, order);
		seen.add(propertiesOf(raw).replaceAll(order, 'ORDER'));
	}
	assert.equal(shops.length, 4);
	assert.equal(seen.size, 1, [...seen].join('\n'));
});

test('the same order under another shop\'s names is a duplicate', async () => {
	const order = uniqueId();
	const send = ({ event, properties }) =>
		hg.post(JSON.stringify({ event, event_id: uniqueId(), properties }).replaceAll('O-20261122-0001', order), { key: KEY });
	assert.equal((await send(shops[0])).json.accepted, 1);
	assert.equal((await send(shops[1])).json.duplicates, 1);
	assert.equal((await send(shops[2])).json.duplicates, 1);
});

test('a retry of a translated event is recognised, also in a batch with envelope defaults', async () => {
	const id = uniqueId();
	const body = { anonymous_id: 'a-2', events: [{ event: 'Product Viewed', event_id: id, properties: { product_id: 'A', price: '10' } }, { event: 'page_view', event_id: uniqueId() }] };
	assert.equal((await hg.post(body, { key: KEY })).json.accepted, 2);
	assert.equal((await hg.post(body, { key: KEY })).json.duplicates, 2);
	const { event: line } = await stored(id);
	assert.deepEqual(line.properties, { items: [{ product_id: 'A', price: 10 }] });
	assert.equal(line.ids.anonymous_id, 'a-2');
});

test('what is wrong is told under our names; names that lead nowhere are refused', async () => {
	const wrong = await hg.post({ event: 'Order Completed', properties: { ...shops[1].properties, revenue: -1 } }, { key: KEY });
	assert.equal(wrong.status, 400);
	assert.deepEqual(wrong.json.events[0].errors.map((e) => [e.path, e.rule]), [['/properties/value', 'minimum']]);
	const taken = await hg.post({ event: 'purchase', properties: { ...purchase().properties, transaction_id: 'other' } }, { key: KEY });
	assert.deepEqual(taken.json.events[0].errors.map((e) => [e.path, e.rule]), [['/properties/transaction_id', 'additionalProperties']]);
	const unknown = await hg.post({ event: 'Order Teleported', properties: {} }, { key: KEY });
	assert.equal(unknown.json.events[0].errors[0].path, '/event');
});

test('a source that does not ask for it gets nothing translated', async () => {
	const { event, properties } = shops[1];
	const answer = await hg.post({ event, properties });
	assert.equal(answer.status, 400);
	assert.equal(answer.json.events[0].errors[0].path, '/event');
});

test('a pixel of such a source', async () => {
	const id = uniqueId();
	const answer = await hg.get(`/v1/pixel.gif?key=${KEY}&event=view_item&event_id=${id}&properties.items.0.item_id=A&properties.items.0.price=9.50`);
	assert.equal(answer.status, 200);
	const { event: line, line: raw } = await stored(id);
	assert.equal(line.event, 'product_view');
	assert.ok(raw.includes('"items":[{"product_id":"A","price":9.50}]'), raw);
});

test('a sum that does not add up and odd decimals are warnings, not refusals', async () => {
	const event = purchase();
	const answer = await hg.post({ ...event, properties: { ...event.properties, currency: 'KRW', value: 5000.5, shipping: 3000, items: [{ product_id: 'A', price: 1000, quantity: 1 }] } });
	assert.equal(answer.status, 200, answer.text);
	const { event: line } = await stored(event.event_id);
	assert.deepEqual(line.quality.warnings, [{ path: '/properties/value', rule: 'currency_decimals' }, { path: '/properties/value', rule: 'value_differs' }]);
	const good = purchase();
	await hg.post(good);
	assert.equal((await stored(good.event_id)).event.quality, undefined);
});
