// A manager for tests: listens, starts a real runner as a child process, and speaks the protocol with it. Its encoding
// is that of the golden frames, not the runtime's own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FLAG, FrameParser, TYPE, typeName } from '../../src/frames.mjs';
import { bytes } from '../frames/malformed.mjs';
import { httpHead } from './heads.mjs';

/**
 * @typedef {object} Frame
 * @property {keyof typeof TYPE} type
 * @property {number} flags
 * @property {number} stream
 * @property {any} head
 * @property {Buffer} body
 */

/**
 * A message that the runner publishes: the stream of its CALL, that one's head, the payload.
 * @typedef {{call: number, message: any, body: Buffer}} Published
 */

/** @typedef {Record<string, string | Buffer>} Files */

/**
 * @typedef {object} AssignOptions
 * @property {string} [main]
 * @property {Record<string, string>} [environment]
 * @property {Partial<{concurrency: number, timeoutMs: number, bufferedBodyBytes: number}>} [limits]
 */

/** Longest wait for anything in these tests. */
const WAIT_MS = 10_000;
const MAIN = fileURLToPath(new URL('../../main.mjs', import.meta.url));
const TOKEN = '5a'.repeat(32);

/** One answer, put together from its frames. */
class Answer {
  /** @param {Frame[]} frames */
  constructor(frames) {
    this.frames = frames;
    this.head = frames[0].head;
    this.body = Buffer.concat(frames.filter(({ type }) => type === 'RESPONSE' || type === 'DATA').map(({ body }) => body));
    const last = frames[frames.length - 1];
    this.failed = last.type === 'FAILED' ? last.head.error : null;
  }

  get status() {
    return this.head.status;
  }

  /** @param {string} name */
  header(name) {
    return this.headers(name)[0] ?? null;
  }

  /** @param {string} name @returns {string[]} */
  headers(name) {
    return this.head.headers.filter((/** @type {string[]} */ [each]) => each === name).map((/** @type {string[]} */ [, value]) => value);
  }

  get text() {
    return this.body.toString();
  }

  get json() {
    return JSON.parse(this.text);
  }
}

/** A manager with one runner. */
export class Manager {
  /** @type {Frame[]} frames that nobody has taken yet */
  inbox = [];
  /** @type {Frame[]} */
  logs = [];
  /** Peaks of memory that it told, in bytes. @type {number[]} */
  peaks = [];
  /** @type {number | null} */
  exitCode = null;
  stderr = '';
  stdout = '';
  credit = 262_144;
  #server = createServer();
  #nextStream = 1;
  /** @type {import('node:net').Socket | null} */
  #socket = null;
  /** @type {import('node:child_process').ChildProcessWithoutNullStreams | null} */
  #child = null;
  /** @type {Set<() => void>} */
  #changed = new Set();
  #reading = true;
  directory = '';

  /**
   * Starts a runner and waits for its HELLO.
   * @param {{node?: string}} [options]
   */
  static async start({ node = process.execPath } = {}) {
    const manager = new Manager();
    manager.directory = await mkdtemp(join(tmpdir(), 'jobber-runner-'));
    const server = manager.#server;
    server.on('connection', (socket) => manager.#connected(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    manager.#spawn(node, port);
    return manager;
  }

  /** @param {string} node @param {number} port */
  #spawn(node, port) {
    const child = spawn(node, [MAIN], { env: { PATH: process.env.PATH ?? '', SECRET_OF_THE_SERVER: '1' }, stdio: 'pipe' });
    this.#child = child;
    child.stdout.on('data', (chunk) => {
      this.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    child.on('close', (code) => {
      this.exitCode = code ?? -1;
      this.#notify();
    });
    const start = { host: '127.0.0.1', port, token: TOKEN, directory: this.directory };
    child.stdin.on('error', () => {});
    child.stdin.end(`${JSON.stringify(start)}\n`);
  }

  get pid() {
    return this.#child?.pid ?? 0;
  }

  /** @param {import('node:net').Socket} socket */
  #connected(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    const parser = new FrameParser('runner', (type, flags, stream, head, body) => {
      const frame = { type: /** @type {keyof typeof TYPE} */ (typeName(type)), flags, stream, head, body };
      if (frame.type === 'MEMORY') this.peaks.push(frame.head.peakBytes);
      else (frame.type === 'LOG' ? this.logs : this.inbox).push(frame);
    });
    socket.on('data', (chunk) => {
      parser.push(chunk);
      this.#notify();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#notify());
  }

  #notify() {
    for (const changed of [...this.#changed]) changed();
  }

  /**
   * Waits until this returns something.
   * @template T
   * @param {() => T | undefined | null | false} look
   * @param {string} what
   * @returns {Promise<T>}
   */
  async until(look, what) {
    /** @type {T | undefined | null | false} */
    let found = look();
    if (found) return found;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#changed.delete(changed);
        const seen = this.inbox.map(({ type, stream }) => `${type}/${stream}`).join(' ');
        reject(new Error(`waited in vain for ${what}; frames: ${seen}; exit: ${this.exitCode}; stderr: ${this.stderr}`));
      }, WAIT_MS);
      const changed = () => {
        found = look();
        if (!found) return;
        clearTimeout(timer);
        this.#changed.delete(changed);
        resolve(found);
      };
      this.#changed.add(changed);
    });
  }

  /**
   * Takes the next frame of a type (and stream).
   * @param {keyof typeof TYPE} type
   * @param {number} [stream]
   * @returns {Promise<Frame>}
   */
  async next(type, stream) {
    return this.until(() => this.take(type, stream), `${type} on ${stream ?? 'any stream'}`);
  }

  /**
   * @param {keyof typeof TYPE} type
   * @param {number} [stream]
   * @returns {Frame | undefined}
   */
  take(type, stream) {
    const at = this.inbox.findIndex((frame) => frame.type === type && (stream === undefined || frame.stream === stream));
    return at === -1 ? undefined : this.inbox.splice(at, 1)[0];
  }

  /**
   * Waits for a log message with this text in it.
   * @param {string} text
   */
  async log(text) {
    return this.until(() => this.logs.find(({ body }) => body.toString().includes(text)), `the log message ${text}`);
  }

  /**
   * @param {keyof typeof TYPE} type
   * @param {{flags?: number, stream?: number, head?: object | null, body?: Buffer | string}} [frame]
   */
  send(type, { flags = 0, stream = 0, head = null, body = '' } = {}) {
    const headBytes = Buffer.from(head === null ? '' : JSON.stringify(head));
    this.sendRaw(bytes(TYPE[type], flags, stream, headBytes, Buffer.from(body)));
  }

  /** @param {Buffer} wire */
  sendRaw(wire) {
    assert.ok(this.#socket, 'a runner is connected');
    this.#socket.write(wire);
  }

  /** Stops or goes on reading what the runner sends. @param {boolean} reading */
  read(reading) {
    this.#reading = reading;
    if (this.#reading) this.#socket?.resume();
    else this.#socket?.pause();
  }

  /** Ends the connection. */
  disconnect() {
    this.#socket?.destroy();
  }

  /** The first steps of a session. */
  async welcome() {
    const hello = await this.next('HELLO');
    this.send('WELCOME', { head: { protocol: 1, runnerId: 'r', credit: this.credit } });
    return hello;
  }

  /**
   * Sends a package and asks the runner to import it.
   * @param {Files} files
   * @param {AssignOptions} [options]
   */
  assign(files, { main = './index.mjs', environment = {}, limits = {} } = {}) {
    const entries = Object.entries(files).map(([path, content]) => ({ path, content: Buffer.from(content) }));
    const total = entries.reduce((sum, { content }) => sum + content.length, 0);
    const head = {
      job: { id: 'j', name: 'job' },
      version: { id: 'v', name: '1.0.0' },
      main,
      files: entries.length,
      bytes: total,
      limits: { concurrency: 100, timeoutMs: 60_000, bufferedBodyBytes: 10_485_760, ...limits },
    };
    this.send('ASSIGN', { head, body: JSON.stringify(environment) });
    for (const { path, content } of entries) {
      this.send('FILE', { head: { path, size: content.length, executable: false }, body: content.subarray(0, 262_144) });
      for (let at = 262_144; at < content.length; at += 262_144) {
        this.send('FILE_DATA', { body: content.subarray(at, at + 262_144) });
      }
    }
    this.send('LOAD');
  }

  /**
   * A runner that serves this module.
   * @param {string | Files} module
   * @param {AssignOptions & {node?: string, credit?: number}} [options]
   */
  static async serving(module, options = {}) {
    const manager = await Manager.start(options);
    manager.credit = options.credit ?? manager.credit;
    await manager.welcome();
    manager.assign(typeof module === 'string' ? { 'index.mjs': module } : module, options);
    await manager.until(() => manager.inbox.find(({ type }) => type === 'READY' || type === 'REJECTED'), 'READY');
    const rejected = manager.take('REJECTED');
    assert.equal(rejected, undefined, `the module was rejected: ${JSON.stringify(rejected?.head)}`);
    manager.take('READY');
    return manager;
  }

  /**
   * Sends an INVOKE.
   * @param {object} [head]
   * @param {{body?: Buffer | string, end?: boolean}} [options]
   * @returns {number} its stream
   */
  invoke(head = httpHead(), { body = '', end = true } = {}) {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.send('INVOKE', { flags: end ? FLAG.END : 0, stream, head, body });
    return stream;
  }

  /**
   * Begins an invocation by a MESSAGE.
   * @param {Buffer} body
   */
  message(body) {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.send('MESSAGE', { flags: FLAG.END, stream, body });
    return stream;
  }

  /**
   * Waits for all frames of an invocation, giving credit for what comes.
   * @param {number} stream
   * @returns {Promise<Answer>}
   */
  async answer(stream) {
    /** @type {Frame[]} */
    const frames = [];
    for (;;) {
      const frame = await this.until(() => {
        const at = this.inbox.findIndex((each) => each.stream === stream && each.type !== 'CREDIT');
        return at === -1 ? undefined : this.inbox.splice(at, 1)[0];
      }, `the answer on ${stream}`);
      frames.push(frame);
      if ((frame.flags & FLAG.SETTLED) !== 0) return new Answer(frames);
      if (frame.body.length > 0) this.send('CREDIT', { stream, head: { bytes: frame.body.length } });
    }
  }

  /**
   * One call, from INVOKE to its end.
   * @param {object} [http]
   * @param {Buffer | string} [body]
   */
  async call(http = {}, body = '') {
    return this.answer(this.invoke(httpHead(http), { body }));
  }

  /**
   * Waits for the next message that the runner publishes.
   * @returns {Promise<Published>}
   */
  async published() {
    const { stream, head, body } = await this.next('CALL');
    const { method, ...message } = head;
    assert.equal(method, 'mqtt.publish');
    return { call: stream, message, body };
  }

  /** The broker has it. @param {Published} published */
  acknowledge({ call }) {
    this.send('RESULT', { stream: call, head: { ok: true } });
  }

  /** The broker does not take it. @param {Published} published @param {string} code @param {string} [message] */
  refuse({ call }, code, message = 'no') {
    this.send('RESULT', { stream: call, head: { ok: false, code, message } });
  }

  /** Waits until the runner has sent whatever it has to send by now. */
  async quiet() {
    this.send('PING');
    await this.next('PONG');
  }

  /** Waits for the runner's end. */
  async exited() {
    await this.until(() => this.exitCode !== null, 'the end of the runner');
    return this.exitCode;
  }

  /** Ends the runner and forgets everything. */
  async stop() {
    if (this.exitCode === null) {
      this.#child?.kill('SIGKILL');
      await this.exited();
    }
    this.#socket?.destroy();
    this.#server.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
