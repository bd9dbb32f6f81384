// Writes a database in MaxMind's format 2.0 (https://maxmind.github.io/MaxMind-DB/): mmdb({ '203.0.113.0/24': {…} }).
const sized = (type, size) => {
	const head = type < 8 ? [type << 5] : [0, type - 7];
	if (size < 29) head[0] |= size;
	else if (size < 285) { head[0] |= 29; head.push(size - 29); } else throw new Error('too long for this writer');
	return Buffer.from(head);
};

function encode(value) {
	if (typeof value === 'string') { const bytes = Buffer.from(value); return Buffer.concat([sized(2, bytes.length), bytes]); }
	if (typeof value === 'number') { const bytes = Buffer.alloc(4); bytes.writeUInt32BE(value); return Buffer.concat([sized(6, 4), bytes]); }
	if (value.uint16 !== undefined) return Buffer.concat([sized(5, 2), Buffer.from([value.uint16 >> 8, value.uint16 & 255])]);
	if (value.uint64) { const bytes = Buffer.alloc(8); bytes.writeBigUInt64BE(BigInt(value.uint64)); return Buffer.concat([sized(9, 8), bytes]); }
	if (Array.isArray(value)) return Buffer.concat([sized(11, value.length), ...value.map(encode)]);
	const entries = Object.entries(value);
	return Buffer.concat([sized(7, entries.length), ...entries.flatMap(([k, v]) => [encode(k), encode(v)])]);
}

// IPv4 networks lie below ::/96.
function bitsOf(network) {
	const [text, length] = network.split('/');
	const bytes = text.split('.').map(Number);
	const bits = '0'.repeat(96) + bytes.map((b) => b.toString(2).padStart(8, '0')).join('');
	return bits.slice(0, 96 + Number(length));
}

export function mmdb(networks) {
	const nodes = [[null, null]], data = [];
	let offset = 0;
	for (const [network, value] of Object.entries(networks)) {
		const bits = bitsOf(network);
		let node = 0;
		for (let i = 0; i < bits.length - 1; i++) {
			const side = Number(bits[i]);
			if (nodes[node][side] === null) { nodes.push([null, null]); nodes[node][side] = nodes.length - 1; }
			node = nodes[node][side];
		}
		nodes[node][Number(bits.at(-1))] = { offset };
		data.push(encode(value));
		offset += data.at(-1).length;
	}
	const tree = Buffer.alloc(nodes.length * 6);
	nodes.forEach((pair, i) => pair.forEach((to, side) => tree.writeUIntBE(to === null ? nodes.length : typeof to === 'number' ? to : nodes.length + 16 + to.offset, i * 6 + side * 3, 3)));
	const about = { node_count: nodes.length, record_size: { uint16: 24 }, ip_version: { uint16: 6 }, database_type: 'Test-City', languages: ['en'], binary_format_major_version: { uint16: 2 }, binary_format_minor_version: { uint16: 0 }, build_epoch: { uint64: 1_790_000_000 }, description: { en: 'of a test' } };
	return Buffer.concat([tree, Buffer.alloc(16), ...data, Buffer.from('abcdef', 'hex'), Buffer.from('MaxMind.com'), encode(about)]);
}
