// The session with the manager: its states, and what each frame does in them; see docs/reference/protocol.md §3.

import { connect } from 'node:net';
import { Calls } from './calls.mjs';
import { runAs } from './current.mjs';
import { describe, explain } from './errors.mjs';
import { FLAG, FrameParser, PROTOCOL, ProtocolError, TYPE, typeName } from './frames.mjs';
import { Invocation } from './invocation.mjs';
import { LoadError, load } from './load.mjs';
import { Logs } from './logs.mjs';
import { Memory } from './memory.mjs';
import { MessageHead } from './message.mjs';
import { PackageWriter } from './package.mjs';
import { Store } from './store.mjs';
import { FrameWriter, NO_HEAD } from './writer.mjs';

/** The codes that a runner exits with. */
export const EXIT = Object.freeze({
  OK: 0,
  /** Could not connect, or the connection ended while there was work. */
  CONNECTION: 1,
  /** An exception that nobody caught. */
  UNCAUGHT: 70,
  /** The manager broke the protocol. */
  PROTOCOL: 76,
});

const CONNECT_TIMEOUT_MS = 10_000;
/** How long a session may take to send what it has when it ends. */
const FLUSH_MS = 1_000;

/** @typedef {'connected' | 'greeted' | 'idle' | 'assigned' | 'loading' | 'rejected' | 'serving' | 'draining' | 'over'} State */

/** The runner's side of one session. A runner has one, and exits with it. */
export class Session {
  #socket;
  #writer;
  #parser;
  #directory;
  /** @type {State} */
  #state = 'connected';
  /** @type {any} the head of ASSIGN */
  #assignment = null;
  /** @type {PackageWriter | null} */
  #package = null;
  /** @type {import('./load.mjs').Dialect | null} */
  #dialect = null;
  /** @type {Map<number, Invocation>} */
  #open = new Map();
  #lastStream = 0;
  #logs = new Logs(this);
  #memory = new Memory(this);
  /** @type {(() => void) | null} called when nothing is open any more */
  #whenIdle = null;
  #exit;

  /** The credit that every stream begins with, in each direction. */
  credit = 0;
  /** The job's variables. @type {Readonly<Record<string, string>>} */
  environment = Object.freeze({});
  /** What is asked of the manager. */
  calls = new Calls(this);
  /** The job's store. */
  store = new Store(this.calls);

  /**
   * @param {import('./start.mjs').Start} start
   * @param {(code: number) => void} exit ends the process
   */
  constructor({ host, port, token, directory }, exit) {
    this.#directory = directory;
    this.#exit = exit;
    this.#parser = new FrameParser(
      'manager',
      (...frame) => this.#frame(...frame),
      (...message) => this.#message(...message),
    );
    const socket = connect({ host, port, noDelay: true, keepAlive: true, timeout: CONNECT_TIMEOUT_MS });
    this.#socket = socket;
    this.#writer = new FrameWriter(socket, () => this.#assignment?.limits.concurrency ?? 1);
    socket.on('timeout', () => socket.destroy(new Error('the manager does not answer')));
    socket.on('connect', () => {
      socket.setTimeout(0);
      this.#hello(token);
      token = '';
    });
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('error', (error) => {
      if (this.#state === 'connected') complain(`the manager cannot be reached: ${error.message}`);
    });
    socket.on('close', () => this.#disconnected());
  }

  /** @param {string} token */
  #hello(token) {
    const runtime = { runtime: 'node', runtimeVersion: process.versions.node, pid: process.pid };
    this.send(TYPE.HELLO, 0, 0, JSON.stringify({ protocol: PROTOCOL, token, ...runtime, accepts: ['message'] }));
    this.#writer.flush();
    this.#state = 'greeted';
  }

  /** @param {Buffer} chunk */
  #data(chunk) {
    try {
      this.#parser.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      complain(`the manager broke the protocol: ${error.message}`);
      this.#over(EXIT.PROTOCOL);
    }
  }

  #disconnected() {
    if (this.#state === 'over') return;
    const peaceful = this.#state === 'idle' || this.#state === 'draining';
    if (!peaceful) complain('the connection to the manager has ended');
    this.#over(peaceful ? EXIT.OK : EXIT.CONNECTION);
  }

  /** @param {number} code */
  #over(code) {
    this.#state = 'over';
    this.#socket.destroy();
    this.#exit(code);
  }

  // What the parts of a session need of it.

  /** Whether so much is unsent that streams should wait and log lines are dropped. */
  get congested() {
    return this.#writer.congested;
  }

  /** @param {() => void} callback */
  whenDrained(callback) {
    this.#writer.whenDrained(callback);
  }

  /**
   * Sends a frame at the end of this turn.
   * @param {number} type
   * @param {number} flags
   * @param {number} stream
   * @param {string} [head] JSON
   * @param {Uint8Array | string | null} [body]
   */
  send(type, flags, stream, head = NO_HEAD, body = null) {
    this.#writer.frame(type, flags, stream, head, body);
  }

  /**
   * The stream is closed.
   * @param {number} stream
   */
  forget(stream) {
    this.#open.delete(stream);
    if (this.#open.size === 0 && this.#whenIdle !== null) this.#whenIdle();
  }

  /** @param {Invocation} invocation @param {unknown} level @param {unknown} message @param {unknown} fields */
  log(invocation, level, message, fields) {
    this.#logs.log(invocation, level, message, fields);
  }

  /**
   * Says what has to be said before the end of an invocation.
   * @param {Invocation} invocation
   */
  beforeEnd(invocation) {
    this.#logs.flush(invocation);
    this.#memory.tell();
  }

  /**
   * Something failed for which it is too late to fail the invocation.
   * @param {Invocation | null} invocation
   * @param {unknown} thrown
   */
  logLate(invocation, thrown) {
    const when = invocation === null ? 'outside of an invocation' : 'after the end of its invocation';
    this.#logs.emit(invocation, 'stderr', `Uncaught, ${when}: ${explain(thrown)}`, 'error');
  }

  // Frames.

  /** @type {import('./frames.mjs').FrameHandler} */
  #frame(type, flags, stream, head, body) {
    switch (type) {
      case TYPE.INVOKE:
        return this.#invoke(flags, stream, head, body);
      case TYPE.DATA:
        return this.#stream(stream)?.input.push(body, (flags & FLAG.END) !== 0);
      case TYPE.CREDIT:
        return this.#stream(stream)?.output.addCredit(amount(head.bytes));
      case TYPE.CANCEL:
        return this.#stream(stream)?.cancel(String(head.reason));
      case TYPE.RESULT:
        return this.calls.result(stream, head, body);
      case TYPE.PING:
        return this.send(TYPE.PONG, 0, 0, NO_HEAD, body);
      case TYPE.PONG:
        return undefined;
      case TYPE.WELCOME:
        return this.#expect(this.#state === 'greeted', type, () => this.#welcome(head));
      case TYPE.ASSIGN:
        return this.#expect(this.#state === 'idle', type, () => this.#assign(head, body));
      case TYPE.FILE:
        return this.#expect(this.#state === 'assigned', type, () => this.#file((files) => files.begin(head, body)));
      case TYPE.FILE_DATA:
        return this.#expect(this.#state === 'assigned', type, () => this.#file((files) => files.append(body)));
      case TYPE.LOAD:
        return this.#expect(this.#state === 'assigned', type, () => this.#load());
      case TYPE.DRAIN:
        return this.#expect(this.#state === 'serving', type, () => {
          this.#state = 'draining';
        });
      case TYPE.SHUTDOWN:
        return this.shutdown(amount(head.graceMs));
      default:
        throw new ProtocolError('state', `${typeName(type)} is not for a runner`);
    }
  }

  /**
   * @param {boolean} allowed
   * @param {number} type
   * @param {() => void} act
   */
  #expect(allowed, type, act) {
    if (!allowed) throw new ProtocolError('state', `${typeName(type)} in the state ${this.#state}`);
    act();
  }

  /** @param {any} head */
  #welcome(head) {
    if (head.protocol !== PROTOCOL) throw new ProtocolError('head-field', `WELCOME of protocol ${head.protocol}`);
    this.credit = amount(head.credit);
    this.#state = 'idle';
  }

  /**
   * @param {any} head
   * @param {Buffer} body the environment
   */
  #assign(head, body) {
    const { main, files, bytes, limits } = head;
    const good =
      typeof main === 'string' &&
      Number.isSafeInteger(files) &&
      Number.isSafeInteger(bytes) &&
      limits?.concurrency > 0 &&
      Number.isSafeInteger(limits.bufferedBodyBytes);
    if (!good) throw new ProtocolError('head-field', 'ASSIGN without main, files, bytes or limits');
    this.#assignment = head;
    this.environment = Object.freeze(parseEnvironment(body));
    this.#package = new PackageWriter(this.#directory);
    this.#state = 'assigned';
  }

  /** @param {(files: PackageWriter) => void} act */
  #file(act) {
    // After a refusal the manager may still be sending; that is thrown away.
    if (this.#package === null) return;
    try {
      act(this.#package);
    } catch (error) {
      this.#reject('files', error);
    }
  }

  #load() {
    this.#file((files) => files.finish(this.#assignment.files, this.#assignment.bytes));
    if (this.#package === null) return;
    this.#package = null;
    this.#state = 'loading';
    this.#logs.capture();
    const began = performance.now();
    const { main, limits } = this.#assignment;
    load({ directory: this.#directory, main, limits, environment: this.environment }).then(
      (dialect) => {
        if (this.#state !== 'loading') return;
        this.#dialect = dialect;
        this.#state = 'serving';
        const importMs = Math.round(performance.now() - began);
        this.send(TYPE.READY, 0, 0, JSON.stringify({ importMs, dialect: dialect.name }));
      },
      (error) => {
        if (this.#state !== 'loading') return;
        if (error instanceof LoadError) this.#reject(error.phase, error.cause);
        else this.#reject('import', error);
      },
    );
  }

  /**
   * @param {'files' | 'import' | 'exports'} phase
   * @param {unknown} error
   */
  #reject(phase, error) {
    this.#package = null;
    if (this.#state === 'loading') this.#state = 'rejected';
    this.send(TYPE.REJECTED, 0, 0, JSON.stringify({ phase, error: describe(error) }));
  }

  /**
   * The import did not end by itself: something that it started threw.
   * @param {unknown} thrown
   * @returns {boolean} whether it was still importing
   */
  failImport(thrown) {
    if (this.#state !== 'loading') return false;
    this.#reject('import', thrown);
    return true;
  }

  /**
   * @param {number} flags
   * @param {number} stream
   * @param {import('./invocation.mjs').InvokeHead} head
   * @param {Buffer} body
   */
  #invoke(flags, stream, head, body) {
    const { kind } = head;
    const known = kind === 'http' || kind === 'mqtt' || kind === 'schedule';
    if (typeof head.id !== 'string' || !known || !head[kind] || !head.trigger) {
      throw new ProtocolError('head-field', 'INVOKE without id, kind or trigger');
    }
    if (body.length > this.credit) {
      throw new ProtocolError('credit', 'INVOKE with more body than there is credit for');
    }
    this.#begin(stream, head, body, (flags & FLAG.END) !== 0);
  }

  /** @type {import('./frames.mjs').MessageHandler} */
  #message(stream, bytes, start, end) {
    const head = new MessageHead(bytes, start, end);
    this.#begin(stream, head, head.payload(), true);
  }

  /**
   * @param {number} stream
   * @param {import('./invocation.mjs').InvokeHead} head
   * @param {Buffer} body all of it, or its first part
   * @param {boolean} whole
   */
  #begin(stream, head, body, whole) {
    const dialect = this.#dialect;
    if (dialect === null || this.#state !== 'serving') {
      throw new ProtocolError('state', `an invocation in the state ${this.#state}`);
    }
    if (stream <= this.#lastStream) throw new ProtocolError('stream', `an invocation on stream ${stream} again`);
    if (this.#open.size >= this.#assignment.limits.concurrency) {
      throw new ProtocolError('state', 'an invocation beyond the concurrency');
    }
    this.#lastStream = stream;
    const invocation = new Invocation(this, stream, head, body, whole);
    runAs(invocation, dialect.handle);
    // Most messages are over by now, and nothing can have been said of this one meanwhile.
    if (!invocation.closed) this.#open.set(stream, invocation);
  }

  /**
   * The invocation of a stream; undefined if it is closed already.
   * @param {number} stream
   */
  #stream(stream) {
    if (stream > this.#lastStream) throw new ProtocolError('stream', `stream ${stream} was never open`);
    return this.#open.get(stream);
  }

  // The end.

  /**
   * Aborts what runs, waits for it, and exits.
   * @param {number} graceMs
   * @param {number} [code]
   */
  shutdown(graceMs, code = EXIT.OK) {
    for (const invocation of [...this.#open.values()]) invocation.cancel('shutdown');
    // A little of the grace is kept for sending what is left.
    this.finish(graceMs - Math.min(200, graceMs / 4), code);
  }

  /**
   * Exits when nothing is open any more, or after this time at the latest.
   * @param {number} waitMs
   * @param {number} code
   */
  finish(waitMs, code) {
    const end = () => this.#end(code);
    setTimeout(end, waitMs);
    this.#whenIdle = end;
    if (this.#open.size === 0) end();
  }

  /** @param {number} code */
  #end(code) {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.flush();
    setTimeout(() => this.#exit(code), FLUSH_MS);
    this.#socket.end(() => this.#exit(code));
  }

  /** Hands to the system whatever can be handed over; also when the process is exiting. */
  flush() {
    this.#logs.end();
    this.#writer.flush();
  }
}

/**
 * What cannot be told to the manager is written for the engine to read.
 * @param {string} message
 */
export function complain(message) {
  rawStderr(`jobber runner: ${message}\n`);
}

const rawStderr = process.stderr.write.bind(process.stderr);

/** @param {unknown} value @returns {number} */
function amount(value) {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new ProtocolError('head-field', 'a head without its number');
  }
  return value;
}

/** @param {Buffer} body @returns {Record<string, string>} */
function parseEnvironment(body) {
  if (body.length === 0) return {};
  let environment;
  try {
    environment = JSON.parse(body.toString());
  } catch {
    // The text has secrets in it: it must not be in a message.
    throw new ProtocolError('head-field', 'ASSIGN whose environment is not JSON');
  }
  if (environment === null || typeof environment !== 'object' || Array.isArray(environment)) {
    throw new ProtocolError('head-field', 'ASSIGN whose environment is not an object');
  }
  for (const value of Object.values(environment)) {
    if (typeof value !== 'string') throw new ProtocolError('head-field', 'an environment with a value that is not a text');
  }
  return environment;
}
