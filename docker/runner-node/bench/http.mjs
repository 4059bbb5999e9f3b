// Compares the runtime with a bare Node `http` server that does the same: requests per second, and the processor time
// that one request costs the serving process. The client of each is a process of its own (this one), which keeps the
// given number of requests in flight. `npm run bench [-- seconds]`

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { FLAG, TYPE } from '../src/frames.mjs';
import { bytes } from '../test/frames/malformed.mjs';
import { httpHead } from '../test/support/heads.mjs';
import { Manager } from '../test/support/manager.mjs';
import { processorMs } from './processor.mjs';

const SECONDS = Number(process.argv[2] ?? 3);
const IN_FLIGHT = [1, 16, 64];

const BARE = `
  import { createServer } from 'node:http';
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const body = JSON.stringify({ hello: url.searchParams.get('name') });
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));`;

const CLASSIC = `
  export async function handler(request, response) {
    response.json({ hello: request.query('name') });
  }`;

const WEB = `
  export default {
    async fetch(request) {
      const name = new URL(request.url).searchParams.get('name');
      return Response.json({ hello: name });
    },
  };`;

const HEADERS = [
  ['host', 'example.org'],
  ['user-agent', 'bench/1.0'],
  ['accept', '*/*'],
  ['accept-encoding', 'gzip, deflate, br'],
];

/**
 * Runs a load for some time and says what came out.
 * @param {number} pid
 * @param {(done: () => void) => void} request sends one and calls back when it is answered
 * @param {number} inFlight
 */
async function measure(pid, request, inFlight) {
  let running = true;
  let answered = 0;
  let open = inFlight;
  /** @type {() => void} */
  let finished = () => {};
  const ended = new Promise((resolve) => {
    finished = () => resolve(undefined);
  });
  const done = () => {
    answered += 1;
    if (running) request(done);
    else if (--open === 0) finished();
  };
  const before = processorMs(pid);
  const began = performance.now();
  for (let n = 0; n < inFlight; n += 1) request(done);
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  running = false;
  await ended;
  const seconds = (performance.now() - began) / 1000;
  return { perSecond: answered / seconds, micros: ((processorMs(pid) - before) * 1000) / answered };
}

/** One connection to an HTTP server, one request at a time. */
class HttpConnection {
  /** @type {() => void} */
  #done = () => {};
  #wire = Buffer.from(
    `GET /hello?name=x HTTP/1.1\r\n${HEADERS.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`,
  );

  /** @param {number} port */
  constructor(port) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    // The answers are small: one always comes in one piece.
    this.socket.on('data', () => this.#done());
  }

  /** @param {() => void} done */
  request(done) {
    this.#done = done;
    this.socket.write(this.#wire);
  }
}

async function bare() {
  const child = spawn(process.execPath, ['--input-type=module', '-e', BARE], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  const port = Number(String(line));
  /** @type {HttpConnection[]} */
  const free = [];
  for (let n = 0; n < Math.max(...IN_FLIGHT); n += 1) free.push(new HttpConnection(port));
  /** @param {() => void} done */
  const request = (done) => {
    const connection = /** @type {HttpConnection} */ (free.pop());
    connection.request(() => {
      free.push(connection);
      done();
    });
  };
  const stop = () => {
    for (const { socket } of free) socket.destroy();
    child.kill();
  };
  return { pid: child.pid ?? 0, request, stop };
}

/** @param {string} module */
async function runtime(module) {
  const manager = await Manager.serving(module);
  const head = Buffer.from(JSON.stringify(httpHead({ target: '/hello?name=x', headers: HEADERS })));
  /** @type {Map<number, () => void>} */
  const waiting = new Map();
  let stream = 1;
  /** @type {Buffer[]} */
  let batch = [];
  manager.inbox.push = (...frames) => {
    for (const frame of frames) {
      if (frame.type !== 'RESPONSE') throw new Error(`not a RESPONSE: ${JSON.stringify(frame.head)}`);
      const done = waiting.get(frame.stream);
      waiting.delete(frame.stream);
      done?.();
    }
    return 0;
  };
  /** @param {() => void} done */
  const request = (done) => {
    waiting.set(stream, done);
    if (batch.length === 0) {
      setImmediate(() => {
        const wire = Buffer.concat(batch);
        batch = [];
        manager.sendRaw(wire);
      });
    }
    batch.push(bytes(TYPE.INVOKE, FLAG.END, stream, head, Buffer.alloc(0)));
    stream += 2;
  };
  return { pid: manager.pid, request, stop: () => manager.stop() };
}

/** @param {Awaited<ReturnType<typeof bare>>} target */
async function all(target) {
  const results = [];
  await measure(target.pid, target.request, 16);
  for (const inFlight of IN_FLIGHT) results.push(await measure(target.pid, target.request, inFlight));
  await target.stop();
  return results;
}

/** @type {{name: string, results: {perSecond: number, micros: number}[]}[]} */
const rows = [];
rows.push({ name: 'bare http', results: await all(await bare()) });
rows.push({ name: 'classic', results: await all(await runtime(CLASSIC)) });
rows.push({ name: 'web', results: await all(await runtime(WEB)) });

process.stdout.write(`Node ${process.versions.node}; in flight: requests/s (processor time of the server, µs per request)\n`);
for (const { name, results } of rows) {
  const cells = results.map(({ perSecond, micros }, at) => {
    const ratio = perSecond / rows[0].results[at].perSecond;
    return `${IN_FLIGHT[at]}: ${Math.round(perSecond)} (${micros.toFixed(1)}) ×${ratio.toFixed(2)}`;
  });
  process.stdout.write(`${name.padEnd(10)} ${cells.map((cell) => cell.padEnd(28)).join('')}\n`);
}
