// Jobs for three worker threads, by messages; a timer that ticks, and work that libuv's own threads do.
const { Worker, isMainThread, parentPort } = require('worker_threads');
const crypto = require('crypto');
const { promisify } = require('util');
const deflate = promisify(require('zlib').deflate);

const digest = (text) => crypto.createHash('sha256').update(text).digest('hex');

if (!isMainThread) {
    parentPort.on('message', (job) => {
        const hash = crypto.createHash('sha256');
        const table = new Map();
        for (let i = 0; i < 3000; i++) {
            hash.update(String(job * i));
            table.set(`key${i % 200}`, (table.get(`key${i % 200}`) || 0) + i);
        }
        parentPort.postMessage([job, hash.digest('hex') + JSON.stringify([...table]).length]);
    });
} else {
    const total = Number(process.argv[2]);
    const results = new Map();
    const packed = [];
    let ticks = 0, given = 0;
    const timer = setInterval(() => ticks++, 2);
    const workers = Array.from({ length: 3 }, () => new Worker(__filename));
    const give = (worker) => worker.postMessage(given++);
    const end = async () => {
        await Promise.all(workers.map((worker) => worker.terminate()));
        const bytes = (await Promise.all(packed)).reduce((sum, one) => sum + one.length, 0);
        clearInterval(timer);
        const all = [...results].sort((a, b) => a[0] - b[0]);
        console.log(results.size, digest(JSON.stringify(all)), bytes, ticks > 3);
    };
    for (const worker of workers) {
        worker.on('message', ([job, result]) => {
            results.set(job, result);
            if (results.size % 100 === 0)
                console.log(results.size);
            if (job % 10 === 0)
                packed.push(deflate(result.repeat(1000)));
            if (given < total)
                give(worker);
            else if (results.size === total)
                setTimeout(end, 20);
        });
        give(worker);
    }
}
