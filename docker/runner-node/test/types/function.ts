// A function in TypeScript, as its author would write it. Compiled by types.test.mjs; never run.

import type { Context, Handler, HttpHandler, MqttHandler, ScheduleHandler, WebHandler } from '@jobber/types';

interface Visit {
  count: number;
}

export const handler: HttpHandler = async (request, response, context) => {
  const name: string | null = request.param('name') ?? request.query('name');
  const body: { a: number } = request.json();
  for await (const chunk of request.body) response.write(chunk);
  await request.getHttpRequest().json();
  request.headers().getSetCookie();
  response.status(201).header('x-a', 1).header('x-b', ['c', 'd']).cookie('a', 'b', { sameSite: 'lax', maxAge: 1 });
  response.json({ name, body }).text('a', 404).redirect('/b').chunk(Buffer.from('c')).stream(new Response('x').body!);
  await response.end();
  await store(context);
  context.log('info', 'said', { name });
  context.waitUntil(Promise.resolve());
  const trace: [string | null, string | null] = [context.traceparent, context.tracestate];
  context.log('debug', 'part of', { trace });
  if (context.signal.aborted) return new Response(null, { status: 204 });
  // @ts-expect-error: no such method
  response.send('x');
  // @ts-expect-error: no such level
  context.log('loud', 'x');
  return { name };
};

async function store(context: Context): Promise<void> {
  const item = await context.setStore('k', 'v', { ttl: 60 });
  const text: string = item.value;
  const expiry: number | null | undefined = (await context.getStore(text))?.expiry;
  const visit = await context.getStoreJson<Visit>('k');
  const count: number = visit?.value.count ?? (await context.increment('n', 2));
  const swapped: boolean = await context.compareAndSet('k', null, Buffer.from(String(count + (expiry ?? 0))));
  const { items, next } = await context.list('a/', { limit: 10 });
  await context.list('a/', { after: next ?? items[0].key });
  // @ts-expect-error: a value is text or bytes
  await context.setStore('k', swapped);
}

export const onMessage: MqttHandler = async (request, response, context) => {
  const { responseTopic, correlationData, userProperties } = request.properties();
  const trace: string | string[] | undefined = userProperties?.trace;
  await response.publish(`${request.topic()}/seen`, request.data(), { qos: request.qos(), retain: request.retain() });
  const sent: Promise<void> = context.publish('all', { trace }, {
    qos: 2,
    contentType: 'application/json',
    responseTopic,
    correlationData: correlationData ?? 'none',
    messageExpiryInterval: 60,
    userProperties: { trace: ['a', 1], more: 'b', ...userProperties },
  });
  await Promise.all([sent, ...['text', 7, true, null, [1], new ArrayBuffer(1)].map((body) => context.publish('a', body))]);
  // @ts-expect-error: a message has a body
  await context.publish('a', undefined);
  // @ts-expect-error: no such quality of service
  await context.publish('a', 'b', { qos: 3 });
  // @ts-expect-error: publishing gives a promise, nothing to chain
  response.publish('a', 'b').publish('c', 'd');
  return { duplicate: request.duplicate() };
};

export const onSchedule: ScheduleHandler = (request) => request.scheduledAt().toISOString();

export const any: Handler = (request, response) => {
  if (request.type() === 'http') response.text(request.text());
};

export default {
  async fetch(request, env, context) {
    context.passThroughOnException();
    return new Response(`${request.method} ${env.GREETING} ${context.params.id} ${context.ip}`);
  },
  scheduled(event, _env, context) {
    context.log('info', 'due', { at: event.scheduledAt });
  },
  async mqtt(message, _env, context) {
    await context.publish('seen', message.json(), { qos: message.qos });
    return message.properties.correlationData?.length;
  },
} satisfies WebHandler;
