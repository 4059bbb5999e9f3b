// What a classic handler gets as `request`. Everything that costs something is made when it is asked for.

import { JobberError } from './errors.mjs';
import { readProperties } from './mqtt.mjs';
import { requestHeaders, webRequest } from './web-request.mjs';

/** @typedef {import('./invocation.mjs').Invocation} Invocation */

/**
 * @param {string} text
 * @returns {any}
 * @throws {JobberError} `bad-json`
 */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new JobberError('bad-json', `the body is not JSON: ${/** @type {Error} */ (cause).message}`, { cause });
  }
}

/** What all kinds of events have. */
class Request {
  #invocation;
  /** @type {Buffer | null} null: it was too large to be kept in memory before the handler was called */
  #data;

  /**
   * @param {Invocation} invocation
   * @param {Buffer | null} data
   */
  constructor(invocation, data) {
    this.#invocation = invocation;
    this.#data = data;
  }

  /** `http`, `mqtt` or `schedule`. */
  type() {
    return this.#invocation.head.kind;
  }

  /** The trigger's name, or null. */
  name() {
    return this.#invocation.head.trigger.name ?? null;
  }

  /** The invocation's id. */
  invocationId() {
    return this.#invocation.id;
  }

  /** 1, and more when it is tried again. */
  attempt() {
    return this.#invocation.head.attempt;
  }

  /** Aborted when nobody waits for the answer any more. */
  get signal() {
    return this.#invocation.signal;
  }

  /**
   * The body.
   * @returns {Buffer}
   * @throws {JobberError} `body-too-large`
   */
  data() {
    if (this.#data !== null) return this.#data;
    const instead = this.type() === 'http' ? '; read it as a stream: for await (const chunk of request.body)' : '';
    throw new JobberError('body-too-large', `the body is too large to be in memory as a whole${instead}`);
  }

  /** The body as text. */
  text() {
    return this.data().toString();
  }

  /**
   * The body, parsed.
   * @returns {any}
   * @throws {JobberError} `bad-json`
   */
  json() {
    return parseJson(this.text());
  }
}

/** An HTTP request. */
export class HttpRequest extends Request {
  #invocation;
  #http;
  #whole;
  /** @type {URLSearchParams | null} */
  #query = null;
  /** @type {ReadableStream<Uint8Array> | null} */
  #body = null;
  /** @type {globalThis.Request | null} */
  #web = null;

  /**
   * @param {Invocation} invocation
   * @param {Buffer | null} data
   */
  constructor(invocation, data) {
    super(invocation, data);
    this.#invocation = invocation;
    this.#whole = data;
    this.#http = /** @type {import('./invocation.mjs').HttpHead} */ (invocation.head.http);
  }

  /** `GET`, in upper case. */
  method() {
    return this.#http.method;
  }

  /** The path as the client sent it, without the query. */
  path() {
    const { target } = this.#http;
    const end = target.indexOf('?');
    return end === -1 ? target : target.slice(0, end);
  }

  /**
   * A header; several of the same name are joined. Upper and lower case are the same.
   * @param {string} name
   * @returns {string | null}
   */
  header(name) {
    const wanted = name.toLowerCase();
    /** @type {string | null} */
    let found = null;
    for (const [each, value] of this.#http.headers) {
      if (each !== wanted) continue;
      found = found === null ? value : `${found}${wanted === 'cookie' ? '; ' : ', '}${value}`;
    }
    return found;
  }

  /** All headers. */
  headers() {
    return new Headers(requestHeaders(this.#http));
  }

  #params() {
    if (this.#query === null) {
      const start = this.#http.target.indexOf('?');
      this.#query = new URLSearchParams(start === -1 ? '' : this.#http.target.slice(start + 1));
    }
    return this.#query;
  }

  /**
   * A parameter of the query, the first of its name. Upper and lower case differ.
   * @param {string} name
   * @returns {string | null}
   */
  query(name) {
    return this.#params().get(name);
  }

  /**
   * All parameters of the query with this name.
   * @param {string} name
   * @returns {string[]}
   */
  queries(name) {
    return this.#params().getAll(name);
  }

  /**
   * A parameter of the route.
   * @param {string} name
   * @returns {string | null}
   */
  param(name) {
    const { params } = this.#http;
    return Object.hasOwn(params, name) ? params[name] : null;
  }

  /** The client's address. */
  ip() {
    return this.#http.ip;
  }

  /**
   * The body as a stream, for bodies of any size.
   * @returns {ReadableStream<Uint8Array>}
   */
  get body() {
    this.#body ??= this.#web?.body ?? this.#stream();
    return this.#body;
  }

  /** @returns {ReadableStream<Uint8Array>} */
  #stream() {
    const whole = this.#whole;
    if (whole === null) return this.#invocation.input.stream();
    return new ReadableStream({
      start(controller) {
        if (whole.length > 0) controller.enqueue(whole);
        controller.close();
      },
    });
  }

  /**
   * The same as a standard `Request`. Its body and `body` are one: whoever reads first has it.
   * @returns {globalThis.Request}
   */
  getHttpRequest() {
    this.#web ??= webRequest(this.#invocation, this.#body ?? this.#whole);
    return this.#web;
  }
}

/** A message of an MQTT topic. */
export class MqttRequest extends Request {
  #invocation;
  /** @type {import('./invocation.mjs').MqttHead | null} */
  #read = null;

  /**
   * @param {Invocation} invocation
   * @param {Buffer | null} data
   */
  constructor(invocation, data) {
    super(invocation, data);
    this.#invocation = invocation;
  }

  get #mqtt() {
    this.#read ??= /** @type {import('./invocation.mjs').MqttHead} */ (this.#invocation.head.mqtt);
    return this.#read;
  }

  /** The topic that the message came on. */
  topic() {
    return this.#mqtt.topic;
  }

  /** 0, 1 or 2. */
  qos() {
    return this.#mqtt.qos;
  }

  /** Whether the broker had kept the message. */
  retain() {
    return this.#mqtt.retain;
  }

  /** Whether it may have come before. */
  duplicate() {
    return this.#mqtt.duplicate;
  }

  /** The properties of MQTT 5; none of them in 3.1.1. */
  properties() {
    return readProperties(this.#mqtt.properties);
  }
}

/** The same as `mqtt()` of the web-standard dialect gets it. */
export class MqttMessage {
  #data;

  /**
   * @param {Invocation} invocation
   * @param {Buffer} data
   */
  constructor(invocation, data) {
    this.#data = data;
    const { topic, qos, retain, duplicate, properties } =
      /** @type {import('./invocation.mjs').MqttHead} */ (invocation.head.mqtt);
    this.topic = topic;
    this.qos = qos;
    this.retain = retain;
    this.duplicate = duplicate;
    this.properties = readProperties(properties);
    this.trigger = invocation.head.trigger.name ?? null;
  }

  /** The payload. */
  data() {
    return this.#data;
  }

  /** The payload as text. */
  text() {
    return this.#data.toString();
  }

  /**
   * The payload, parsed.
   * @returns {any}
   * @throws {JobberError} `bad-json`
   */
  json() {
    return parseJson(this.text());
  }
}

/** A schedule that was due. */
export class ScheduleRequest extends Request {
  #at;

  /**
   * @param {Invocation} invocation
   * @param {Buffer | null} data
   */
  constructor(invocation, data) {
    super(invocation, data);
    this.#at = invocation.head.schedule?.scheduledAt ?? '';
  }

  /** When it was due. */
  scheduledAt() {
    return new Date(this.#at);
  }
}
