// A TCP proxy on loopback that a test tells how the network behaves: delay, cut, reset, black hole, refuse.
import { createServer, connect } from 'node:net';
import { freePort } from './wait.mjs';

export class Proxy {
	// to: the port behind. port: where to listen; any free one by default.
	static async start({ to, port = null }) {
		const proxy = new Proxy();
		Object.assign(proxy, { to, port: port ?? (await freePort()), delayMs: 0, holes: false, refusing: false, pairs: new Set(), accepted: 0, bytes: 0 });
		proxy.server = createServer({ pauseOnConnect: false }, (client) => proxy.accept(client));
		await new Promise((done, fail) => proxy.server.once('error', fail).listen({ port: proxy.port, host: '127.0.0.1' }, done));
		return proxy;
	}

	accept(client) {
		this.accepted++;
		if (this.refusing) return void client.resetAndDestroy();
		const server = connect({ port: this.to, host: '127.0.0.1' });
		const pair = { client, server };
		this.pairs.add(pair);
		const end = () => { this.pairs.delete(pair); client.destroy(); server.destroy(); };
		for (const [from, dst] of [[client, server], [server, client]]) {
			from.setNoDelay(true);
			from.on('data', (bytes) => this.pass(from, dst, bytes));
			from.on('error', end);
			from.on('close', end);
		}
	}

	// Order is kept: equal delays fire in the order they were set.
	pass(from, dst, bytes) {
		if (this.holes) return;
		this.bytes += bytes.length;
		const write = () => {
			if (dst.destroyed || this.holes) return;
			if (!dst.write(bytes)) {
				from.pause();
				dst.once('drain', () => from.resume());
			}
		};
		if (this.delayMs) setTimeout(write, this.delayMs);
		else write();
	}

	// Each direction waits so long; 0 again passes at once.
	delay(ms) { this.delayMs = ms; }
	// Swallows all bytes and lets the connections stand; what was swallowed is gone, so heal() also cuts.
	blackhole() { this.holes = true; }
	heal() {
		if (this.holes) this.cut();
		this.holes = false;
		this.refusing = false;
		this.delayMs = 0;
	}
	// Ends all connections, with FIN or RST; new ones are served.
	cut() { for (const { client, server } of this.pairs) { client.destroy(); server.destroy(); } this.pairs.clear(); }
	reset() { for (const { client, server } of this.pairs) { client.resetAndDestroy(); server.resetAndDestroy(); } this.pairs.clear(); }
	// Also resets new ones, until heal().
	refuse() { this.refusing = true; this.reset(); }

	async close() {
		this.reset();
		await new Promise((done) => this.server.close(done));
	}
}
