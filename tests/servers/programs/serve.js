// A server of node: counts requests, waits in each, and has a timer, a worker thread and work for libuv's threads.
const http = require('http');
const { gzip } = require('zlib');
const { Worker } = require('worker_threads');

let count = 0, ticks = 0;
setInterval(() => ticks++, 5);
const double = "const { parentPort } = require('worker_threads'); parentPort.on('message', (n) => parentPort.postMessage(2 * n));";
const worker = new Worker(double, { eval: true });

const server = http.createServer((request, response) => {
    const number = ++count, before = ticks, begin = process.hrtime.bigint();
    setTimeout(() => gzip('x'.repeat(1000), (error, packed) => {
        const late = process.hrtime.bigint() - begin >= 49000000n;
        worker.once('message', (doubled) => {
            const right = late && ticks > before && !error && packed.length < 100 && doubled === 2 * number;
            response.end(`request ${number}: timers ${right ? 'tick' : 'do not tick'}\n`);
        });
        worker.postMessage(number);
    }), 50);
});
process.on('SIGTERM', () => process.exit(3));
const [, host, port] = process.argv[2].match(/(.*):(.*)/);
server.listen(host === 'unix' ? { path: port } : { host, port: Number(port) });
