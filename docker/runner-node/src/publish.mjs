// Publishing MQTT messages: those of a function, and what it answers to a message that asks for an answer (MQTT 5).

import { runAs } from './current.mjs';
import { JobberError } from './errors.mjs';
import { CALL_BYTES } from './frames.mjs';
import { bytesOf, isGiven, topicName, writeProperties } from './mqtt.mjs';

/** @typedef {import('./invocation.mjs').Invocation} Invocation */

/**
 * @typedef {object} DeliveryOptions
 * @property {0 | 1 | 2} [qos] 1 if not given
 * @property {boolean} [retain] whether the broker keeps it for later subscribers
 */

/** @typedef {DeliveryOptions & import('./mqtt.mjs').GivenProperties} PublishOptions */

/** How hard a message is delivered if the function does not say. */
const DEFAULT_QOS = 1;

/**
 * Publishes a message. The invocation goes on until the broker has it, whether or not the function waits for that.
 * @param {Invocation} invocation
 * @param {string} topic
 * @param {unknown} body
 * @param {PublishOptions} [options]
 * @returns {Promise<void>} resolves when the broker has acknowledged it
 */
export function publish(invocation, topic, body, options) {
  // A context may be used by code that another invocation started; a failure that nobody handles is this one's.
  return runAs(invocation, () => invocation.hold(send(invocation, topic, body, options)));
}

/**
 * The handler of a message has returned. If the message asks for an answer, the returned value is it, and the invocation
 * is settled when the broker has it.
 * @param {Invocation} invocation
 * @param {unknown} value
 */
export function answerMessage(invocation, value) {
  if (value === undefined || value === null || invocation.aborted) {
    invocation.done();
    return;
  }
  const { qos, properties } = /** @type {import('./invocation.mjs').MqttHead} */ (invocation.head.mqtt);
  const { responseTopic, correlationData } = properties ?? {};
  if (!responseTopic) {
    invocation.done();
    return;
  }
  /** @type {PublishOptions} */
  const options = {
    qos,
    contentType: typeof value === 'string' || bytesOf(value) !== null ? undefined : 'application/json',
    correlationData: isGiven(correlationData) ? Buffer.from(correlationData, 'base64') : undefined,
  };
  publish(invocation, responseTopic, value, options).then(
    () => invocation.done(),
    (error) => {
      if (invocation.aborted) invocation.done();
      else invocation.fail(error);
    },
  );
}

/**
 * Asks the manager to publish. Runs as far as the call itself at once: that keeps messages in the order in which they
 * were published.
 * @param {Invocation} invocation
 * @param {string} topic
 * @param {unknown} body
 * @param {PublishOptions | null} [options]
 */
async function send(invocation, topic, body, options) {
  const { kind, trigger } = invocation.head;
  const name = topicName('the topic', topic);
  const head = {
    method: 'mqtt.publish',
    topic: name,
    ...delivery(options ?? {}),
    ...(kind === 'mqtt' && { trigger: trigger.id }),
  };
  await invocation.session.calls.call(head, payload(body));
}

/** @param {PublishOptions} options */
function delivery(options) {
  if (typeof options !== 'object') throw new JobberError('bad-request', 'the options of a message are an object');
  const qos = options.qos ?? DEFAULT_QOS;
  const retain = options.retain ?? false;
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new JobberError('bad-request', 'qos is 0, 1 or 2');
  if (typeof retain !== 'boolean') throw new JobberError('bad-request', 'retain is true or false');
  const properties = writeProperties(options);
  return { qos, retain, ...(Object.keys(properties).length > 0 && { properties }) };
}

/**
 * @param {unknown} body
 * @returns {Buffer} never the function's own memory: it may use its buffer again
 */
function payload(body) {
  const given = bytesOf(body);
  const bytes = given ?? Buffer.from(typeof body === 'string' ? body : json(body));
  if (bytes.length > CALL_BYTES) {
    throw new JobberError('too-large', `a message has at most ${CALL_BYTES} bytes; this one has ${bytes.length}`);
  }
  return given === null ? bytes : Buffer.from(given);
}

/** @param {unknown} body */
function json(body) {
  let text;
  try {
    text = JSON.stringify(body);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'its toJSON threw';
    throw new JobberError('bad-request', `the body of the message has no JSON form: ${why}`, { cause });
  }
  if (text === undefined) {
    const message = `the body of a message is a text, bytes, or anything that JSON can hold; this is ${typeof body}`;
    throw new JobberError('bad-request', message);
  }
  return text;
}
