// The first dialect: `handler(request, response, context)`.

import { Context } from '../context.mjs';
import { answerMessage } from '../publish.mjs';
import { HttpRequest, MqttRequest, ScheduleRequest } from '../request.mjs';
import { HttpResponse, MqttResponse } from '../response.mjs';
import { isResponse, sendResponse } from '../web-response.mjs';

/** @typedef {import('../invocation.mjs').Invocation} Invocation */
/** @typedef {(request: object, response: object, context: object) => unknown} Handler */

const NO_DATA = Buffer.alloc(0);

/**
 * @param {Handler} handler
 * @param {import('../load.mjs').Assignment} assignment
 * @returns {import('../load.mjs').Dialect}
 */
export function classicDialect(handler, { limits }) {
  /** @param {Invocation} invocation @param {Buffer | null} data */
  function run(invocation, data) {
    try {
      const context = new Context(invocation);
      if (invocation.head.kind === 'http') runHttp(handler, invocation, context, data);
      else runEvent(handler, invocation, context, data);
    } catch (error) {
      invocation.fail(error);
    }
  }

  return {
    name: 'classic',
    handle(invocation) {
      const { body } = invocation;
      if (body !== null) {
        run(invocation, body);
        return;
      }
      // `text()` and its kin answer at once, so the body is read before the handler is called; one that is too large
      // for that is left to be read as a stream.
      const { bufferedBodyBytes } = limits;
      if ((invocation.head.http?.size ?? 0) > bufferedBodyBytes) {
        run(invocation, null);
        return;
      }
      const { input } = invocation;
      input.collect(bufferedBodyBytes).then(
        (complete) => {
          // Only an HTTP request can be read as a stream: of anything else nobody will ask for the rest.
          if (!complete && invocation.head.kind !== 'http') input.stop();
          run(invocation, complete ? input.whole() : null);
        },
        () => invocation.done(),
      );
    },
  };
}

/**
 * @param {Handler} handler
 * @param {Invocation} invocation
 * @param {Context} context
 * @param {Buffer | null} data
 */
function runHttp(handler, invocation, context, data) {
  const response = new HttpResponse(invocation);
  const returned = handler(new HttpRequest(invocation, data), response, context);
  if (!isThenable(returned)) {
    answer(invocation, response, returned);
    return;
  }
  returned.then(
    (value) => {
      try {
        answer(invocation, response, value);
      } catch (error) {
        invocation.fail(error);
      }
    },
    (error) => invocation.fail(error),
  );
}

/**
 * @param {Invocation} invocation
 * @param {HttpResponse} response
 * @param {unknown} returned
 */
function answer(invocation, response, returned) {
  if (returned === undefined || returned === null || returned === response) {
    response.finish();
  } else if (isResponse(returned)) {
    sendResponse(invocation, returned);
  } else {
    // What was said by the methods of `response` stands: handlers that return something besides are not surprised.
    if (!response.touched && isPlain(returned)) response.json(returned);
    response.finish();
  }
}

/**
 * @param {Handler} handler
 * @param {Invocation} invocation
 * @param {Context} context
 * @param {Buffer | null} data
 */
function runEvent(handler, invocation, context, data) {
  const mqtt = invocation.head.kind === 'mqtt';
  const request = mqtt ? new MqttRequest(invocation, data) : new ScheduleRequest(invocation, data ?? NO_DATA);
  const response = mqtt ? new MqttResponse(invocation) : {};
  const returned = handler(request, response, context);
  if (isThenable(returned)) {
    returned.then(
      (value) => settleEvent(invocation, response, value),
      (error) => invocation.fail(error),
    );
  } else {
    settleEvent(invocation, response, returned);
  }
}

/**
 * @param {Invocation} invocation
 * @param {object} response
 * @param {unknown} returned
 */
function settleEvent(invocation, response, returned) {
  if (invocation.head.kind === 'mqtt' && returned !== response) answerMessage(invocation, returned);
  else invocation.done();
}

/** @param {unknown} value @returns {value is PromiseLike<unknown>} */
function isThenable(value) {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

/** @param {unknown} value */
function isPlain(value) {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Array.isArray(value);
}
