// The trace that an invocation belongs to, as its handler sees it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpHead, mqttHead, scheduleHead } from './support/heads.mjs';
import { serving } from './support/serve.mjs';

const TRACE = {
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'vendor=a b,1tenant@other=c',
};

const CLASSIC = `
  export const handler = (request, response, context) => {
    const seen = { context: [context.traceparent, context.tracestate] };
    if (request.type() !== 'http') return console.log(JSON.stringify(seen));
    seen.header = [request.header('Traceparent'), request.header('tracestate')];
    seen.headers = [...request.headers()];
    seen.standard = request.getHttpRequest().headers.get('traceparent');
    response.json(seen);
  };`;

const WEB = `
  export default {
    fetch: (request, env, context) => Response.json([
      request.headers.get('traceparent'), request.headers.get('tracestate'), context.traceparent, context.tracestate,
    ]),
  };`;

describe('a trace', { concurrency: true }, () => {
  it('is in the context and in the header of a request, once', async (t) => {
    const manager = await serving(t, CLASSIC);
    const head = { ...httpHead({ headers: [['accept', '*/*']] }), ...TRACE };
    const { body } = await manager.answer(manager.invoke(head));
    assert.deepEqual(JSON.parse(body.toString()), {
      context: [TRACE.traceparent, TRACE.tracestate],
      header: [TRACE.traceparent, TRACE.tracestate],
      headers: [['accept', '*/*'], ...Object.entries(TRACE)],
      standard: TRACE.traceparent,
    });
  });

  it('is in the header of a standard request', async (t) => {
    const manager = await serving(t, WEB);
    const { body } = await manager.answer(manager.invoke({ ...httpHead(), ...TRACE }));
    const [traceparent, tracestate] = [TRACE.traceparent, TRACE.tracestate];
    assert.deepEqual(JSON.parse(body.toString()), [traceparent, tracestate, traceparent, tracestate]);
  });

  it('may be without a tracestate, and missing where the manager knows nothing of traces', async (t) => {
    const manager = await serving(t, WEB);
    const { traceparent } = TRACE;
    const without = await manager.answer(manager.invoke({ ...httpHead(), traceparent }));
    assert.deepEqual(JSON.parse(without.body.toString()), [traceparent, null, traceparent, null]);
    const none = await manager.answer(manager.invoke(httpHead()));
    assert.deepEqual(JSON.parse(none.body.toString()), [null, null, null, null]);
  });

  it('is in the context of what no request started', async (t) => {
    const manager = await serving(t, CLASSIC);
    for (const head of [mqttHead(), scheduleHead()]) {
      await manager.answer(manager.invoke({ ...head, ...TRACE }));
      await manager.log(JSON.stringify({ context: [TRACE.traceparent, TRACE.tracestate] }));
    }
  });
});
