// The web-standard dialect: `export default { fetch, scheduled, mqtt }`, as other platforms have it.

import { Context } from '../context.mjs';
import { JobberError } from '../errors.mjs';
import { answerMessage } from '../publish.mjs';
import { MqttMessage } from '../request.mjs';
import { webRequest } from '../web-request.mjs';
import { isResponse, sendResponse } from '../web-response.mjs';

/** @typedef {import('../invocation.mjs').Invocation} Invocation */

/**
 * @param {Record<string, any>} target the module's default export
 * @param {import('../load.mjs').Assignment} assignment
 * @returns {import('../load.mjs').Dialect}
 */
export function webDialect(target, { limits }) {
  /** @param {Invocation} invocation @param {string} name */
  function method(invocation, name) {
    if (typeof target[name] === 'function') return;
    const { kind } = invocation.head;
    throw new JobberError('no-handler', `the default export has no method ${name}() for an event of the kind ${kind}`);
  }

  /** @param {Invocation} invocation */
  async function fetch(invocation) {
    method(invocation, 'fetch');
    const { input } = invocation;
    const request = webRequest(invocation, input.complete ? input.whole() : null);
    const returned = await target.fetch(request, invocation.session.environment, new Context(invocation));
    if (!isResponse(returned)) {
      throw new JobberError('bad-response', `fetch() must return a Response; it returned ${describeType(returned)}`);
    }
    sendResponse(invocation, returned);
  }

  /** @param {Invocation} invocation */
  async function scheduled(invocation) {
    method(invocation, 'scheduled');
    const { schedule, trigger } = invocation.head;
    const scheduledAt = new Date(schedule?.scheduledAt ?? '');
    const event = { type: 'scheduled', scheduledTime: scheduledAt.getTime(), scheduledAt, trigger: trigger.name ?? null };
    await target.scheduled(event, invocation.session.environment, new Context(invocation));
    invocation.done();
  }

  /** @param {Invocation} invocation */
  async function mqtt(invocation) {
    method(invocation, 'mqtt');
    const { input } = invocation;
    if (!(await input.collect(limits.bufferedBodyBytes))) {
      throw new JobberError('body-too-large', `a message of more than ${limits.bufferedBodyBytes} bytes`);
    }
    const message = new MqttMessage(invocation, input.whole());
    const returned = await target.mqtt(message, invocation.session.environment, new Context(invocation));
    answerMessage(invocation, returned);
  }

  const kinds = { http: fetch, schedule: scheduled, mqtt };
  return {
    name: 'web',
    handle(invocation) {
      kinds[invocation.head.kind](invocation).catch((error) => invocation.fail(error));
    },
  };
}

/** @param {unknown} value */
function describeType(value) {
  if (value === null || value === undefined) return String(value);
  const name = typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
  return `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`;
}
