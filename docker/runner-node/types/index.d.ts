/// <reference types="node" />

// Types of the handler's interface; docs/reference/handler.md explains it.

import type { Readable } from 'node:stream';

/** A value, or a promise of it. */
type Awaitable<T> = T | Promise<T>;

// ---------------------------------------------------------------------------------------------------------------------
// The classic dialect

/**
 * `export const handler: HttpHandler = async (request, response, context) => { … }`
 *
 * The answer is what the methods of `response` say, or a returned `Response`, or a returned plain object as JSON.
 */
export type HttpHandler = (request: HttpRequest, response: HttpResponse, context: Context) => unknown;

/** A handler of MQTT messages. What it returns is the answer to a message that asks for one (MQTT 5). */
export type MqttHandler = (request: MqttRequest, response: MqttResponse, context: Context) => unknown;

/** A handler that a schedule starts. */
export type ScheduleHandler = (request: ScheduleRequest, response: object, context: Context) => unknown;

/** A handler of every kind of event: ask `request.type()`. */
export type Handler = (
  request: HttpRequest | MqttRequest | ScheduleRequest,
  response: HttpResponse & MqttResponse,
  context: Context,
) => unknown;

/** What all kinds of events have. */
export interface BaseRequest {
  /** The trigger's `name`, or null. */
  name(): string | null;
  /** The invocation's id, as in the log and in the header `X-Jobber-Invocation`. */
  invocationId(): string;
  /** 1, and more when it is tried again. */
  attempt(): number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The body as text. Throws `body-too-large`. */
  text(): string;
  /** The body, parsed. Throws `bad-json`, `body-too-large`. */
  json(): any;
  /** The body. Throws `body-too-large`. */
  data(): Buffer;
}

/** An HTTP request. */
export interface HttpRequest extends BaseRequest {
  type(): 'http';
  /** `GET`, in upper case. */
  method(): string;
  /** The path as the client sent it, without the query. */
  path(): string;
  /** A header, or null; several of one name are joined. Upper and lower case are the same. */
  header(name: string): string | null;
  /** All headers. */
  headers(): Headers;
  /** A parameter of the query, or null; the first of its name. Upper and lower case differ. */
  query(name: string): string | null;
  /** All parameters of the query with this name. */
  queries(name: string): string[];
  /** A parameter of the route (`/users/:id`), or null. */
  param(name: string): string | null;
  /** The client's address. */
  ip(): string;
  /** The body as a stream, for bodies of any size. */
  readonly body: ReadableStream<Uint8Array>;
  /** The same as a standard `Request`. */
  getHttpRequest(): Request;
}

/** A message of an MQTT topic. */
export interface MqttRequest extends BaseRequest {
  type(): 'mqtt';
  /** The topic that the message came on. */
  topic(): string;
  /** As it came, which is at most what the subscription asks for. */
  qos(): QualityOfService;
  /** Whether the broker had kept the message. */
  retain(): boolean;
  /** Whether it may have come before. */
  duplicate(): boolean;
  /** The properties of MQTT 5; none of them in 3.1.1. */
  properties(): MqttProperties;
}

/** A schedule that was due. */
export interface ScheduleRequest extends BaseRequest {
  type(): 'schedule';
  /** When it was due. */
  scheduledAt(): Date;
}

/** The answer to an HTTP request. What is said last holds, until the answer is sent; then changing it throws `already-answered`. */
export interface HttpResponse {
  /** 200 to 599. */
  status(status: number): this;
  /** Sets a header; a list sets it several times. */
  header(name: string, value: string | number | readonly string[]): this;
  /** Adds a header to those of the same name. */
  appendHeader(name: string, value: string | number): this;
  /** Adds a cookie. */
  cookie(name: string, value: string, options?: CookieOptions): this;
  /** Sends the client elsewhere; 303 if no status is given. */
  redirect(path: string, status?: number): this;
  /** Answers with JSON; 200, or what `status()` said, if no status is given. */
  json(value: unknown, status?: number): this;
  /** Answers with text; 200, or what `status()` said, if no status is given. */
  text(text: string, status?: number): this;
  /** Adds bytes to the body that is sent when the handler has finished. */
  chunk(bytes: Uint8Array | string): this;
  /** Sends the body from a stream, at the client's pace. */
  stream(readable: ReadableStream<Uint8Array> | Readable | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>): this;
  /** Sends a part of the body now. Wait for the promise before the next part. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** Ends an answer that was begun by `write()`. */
  end(bytes?: Uint8Array | string): Promise<void>;
}

/** Attributes of a cookie. */
export interface CookieOptions {
  domain?: string;
  expires?: Date;
  httpOnly?: boolean;
  /** Seconds. */
  maxAge?: number;
  partitioned?: boolean;
  /** `/` if not given. */
  path?: string;
  sameSite?: 'Strict' | 'Lax' | 'None' | 'strict' | 'lax' | 'none';
  secure?: boolean;
}

/** What there is to answer to an MQTT message. */
export interface MqttResponse {
  /** Publishes a message at the broker that the request came from. Resolves when the broker has acknowledged it. */
  publish(topic: string, body: PublishBody, options?: PublishOptions): Promise<void>;
}

// ---------------------------------------------------------------------------------------------------------------------
// Both dialects

/** Everything that belongs to an invocation and is neither its input nor its answer. */
export interface Context {
  /** The job's variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Aborted when nobody waits for this invocation any more. */
  readonly signal: AbortSignal;
  /** The invocation's id, as in the log and in the header `X-Jobber-Invocation`. */
  readonly invocationId: string;
  /** 1, and more when it is tried again. */
  readonly attempt: number;
  /**
   * This invocation's span (W3C Trace Context): the parent of the spans that the function makes. Null only where the server is
   * older than this.
   */
  readonly traceparent: string | null;
  /** What vendors say of the trace, or null. */
  readonly tracestate: string | null;
  /** The trigger's `name`, or null. */
  readonly trigger: string | null;
  /** The route's parameters. */
  readonly params: Readonly<Record<string, string>>;
  /** The client's address, or null where there is no client. */
  readonly ip: string | null;
  /** Keeps the invocation open until the promise has settled; the answer does not wait for it. */
  waitUntil(promise: Promise<unknown>): void;
  /** Does nothing; modules written for other platforms call it. */
  passThroughOnException(): void;
  /** Writes to the log with a level and fields. */
  log(level: LogLevel, message: unknown, fields?: object): void;

  /** Sets an item of the job's store. */
  setStore<T extends string | Uint8Array>(key: string, value: T, options?: SetOptions): Promise<StoreItem<T>>;
  /** An item, its value as text; null if there is none. */
  getStore(key: string): Promise<StoreItem<string> | null>;
  /** Removes an item and returns it; null if there was none. */
  deleteStore(key: string): Promise<StoreItem<string> | null>;
  /** Sets an item to anything that JSON can hold. */
  setStoreJson<T>(key: string, value: T, options?: SetOptions): Promise<StoreItem<T>>;
  /** An item, its value parsed; null if there is none. */
  getStoreJson<T = any>(key: string): Promise<StoreItem<T> | null>;
  /** Removes an item and returns it, its value parsed; null if there was none. */
  deleteStoreJson<T = any>(key: string): Promise<StoreItem<T> | null>;
  /** An item, its value as bytes; null if there is none. */
  getStoreBuffer(key: string): Promise<StoreItem<Buffer> | null>;
  /** Adds to a whole number, atomically (0 if there is none), and returns the new one. */
  increment(key: string, by?: number, options?: SetOptions): Promise<number>;
  /** Sets an item only if it is as expected (null: not there); returns whether it was. */
  compareAndSet(
    key: string,
    expected: string | Uint8Array | null,
    value: string | Uint8Array,
    options?: SetOptions,
  ): Promise<boolean>;
  /** A page of the keys that begin with a prefix, in the order of their bytes. */
  list(prefix?: string, options?: ListOptions): Promise<StorePage>;

  /**
   * Publishes an MQTT message. Resolves when the broker has acknowledged it; rejects with `bad-request`, `too-large`,
   * `mqtt-unavailable`, `mqtt-refused` or `unavailable`. The invocation does not end before, and fails with it if nobody
   * handles that.
   */
  publish(topic: string, body: PublishBody, options?: PublishOptions): Promise<void>;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface SetOptions {
  /** Seconds until the item goes by itself; it stays if not given. */
  ttl?: number;
}

/** An item of the job's store. Times are Unix seconds. */
export interface StoreItem<T> {
  key: string;
  value: T;
  expiry: number | null;
  created: number;
  modified: number;
}

export interface ListOptions {
  /** 1 to 250; 100 if not given. */
  limit?: number;
  /** Begin after this key. */
  after?: string;
}

export interface StorePage {
  items: { key: string; size: number; expiry: number | null; created: number; modified: number }[];
  /** Give this as `after` to go on; null at the end. */
  next: string | null;
}

/** 0: a message may be lost, 1: it may arrive twice, 2: it arrives once. */
export type QualityOfService = 0 | 1 | 2;

/** What can be published: text, bytes, or anything that JSON can hold. At most 1,000,000 bytes. */
export type PublishBody = string | number | boolean | object | null;

/** How a message is published. All but `qos` and `retain` is left out where MQTT 3.1.1 is spoken. */
export interface PublishOptions {
  /** 1 if not given. */
  qos?: QualityOfService;
  /** Whether the broker keeps it for those who subscribe later. */
  retain?: boolean;
  contentType?: string;
  /** Where an answer is awaited. */
  responseTopic?: string;
  /** What tells to which request an answer belongs. */
  correlationData?: string | Uint8Array | ArrayBuffer;
  /** Seconds after which the broker throws it away. */
  messageExpiryInterval?: number;
  /** A list where a name repeats. */
  userProperties?: Readonly<Record<string, string | number | readonly (string | number)[]>>;
}

/** The properties of a message in MQTT 5. What it does not have is not there. */
export interface MqttProperties {
  contentType?: string;
  /** Where an answer is awaited: what the handler returns is published there. */
  responseTopic?: string;
  /** What tells to which request an answer belongs. */
  correlationData?: Buffer;
  /** 1: the payload is text; 0: it says nothing. */
  payloadFormatIndicator?: 0 | 1;
  /** Seconds. */
  messageExpiryInterval?: number;
  /** A list where a name repeats. It has no prototype. */
  userProperties?: Record<string, string | string[]>;
}

/** An error of the runtime's own; `code` is one of those that docs/reference/handler.md lists. */
export interface JobberError extends Error {
  name: 'JobberError';
  code: string;
}

// ---------------------------------------------------------------------------------------------------------------------
// The web-standard dialect

/** `export default { async fetch(request, env, context) { … } } satisfies WebHandler` */
export interface WebHandler<Env = Readonly<Record<string, string>>> {
  fetch?(request: Request, env: Env, context: Context): Awaitable<Response>;
  scheduled?(event: ScheduledEvent, env: Env, context: Context): Awaitable<void>;
  /** What it returns is the answer to a message that asks for one (MQTT 5). */
  mqtt?(message: MqttMessage, env: Env, context: Context): unknown;
}

/** A schedule that was due. */
export interface ScheduledEvent {
  readonly type: 'scheduled';
  /** When it was due, in milliseconds since 1970. */
  readonly scheduledTime: number;
  readonly scheduledAt: Date;
  /** The trigger's `name`, or null. */
  readonly trigger: string | null;
}

/** A message of an MQTT topic. */
export interface MqttMessage {
  readonly topic: string;
  /** As it came, which is at most what the subscription asks for. */
  readonly qos: QualityOfService;
  /** Whether the broker had kept the message. */
  readonly retain: boolean;
  /** Whether it may have come before. */
  readonly duplicate: boolean;
  /** The properties of MQTT 5; none of them in 3.1.1. */
  readonly properties: MqttProperties;
  /** The trigger's `name`, or null. */
  readonly trigger: string | null;
  /** The payload. */
  data(): Buffer;
  /** The payload as text. */
  text(): string;
  /** The payload, parsed. Throws `bad-json`. */
  json(): any;
}
