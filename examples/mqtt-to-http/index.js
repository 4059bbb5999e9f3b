// A bridge: what comes on bridge/in/… is posted to TARGET_URL, and what the server there answers is the answer to the message.

const PREFIX = 'bridge/in/';

/**
 * @param {import('@jobber/types').MqttRequest} request
 * @param {import('@jobber/types').MqttResponse} response
 * @param {import('@jobber/types').Context} context
 */
export async function handler(request, response, context) {
  const { TARGET_URL, TARGET_TOKEN } = context.env;
  if (!TARGET_URL) throw new Error('the variable TARGET_URL is missing');
  const headers = {
    'content-type': request.properties().contentType ?? 'application/octet-stream',
    'x-mqtt-topic': encodeURI(request.topic()),
    // The same for every attempt: the server can tell that it has this message already.
    'idempotency-key': request.invocationId(),
    traceparent: context.traceparent,
    ...(TARGET_TOKEN && { authorization: `Bearer ${TARGET_TOKEN}` }),
  };
  const url = new URL(request.topic().slice(PREFIX.length), TARGET_URL);
  const answer = await fetch(url, { method: 'POST', headers, body: request.data(), signal: request.signal });
  const body = Buffer.from(await answer.arrayBuffer());

  // Whoever is busy or broken may be well in a moment: `action.retries` says how often this is tried. What then still fails is a
  // dead letter, to be looked at and sent again.
  if (answer.status >= 500 || answer.status === 429) throw new Error(`${url} answered ${answer.status}`);
  // This one will be refused again.
  if (!answer.ok) context.log('warn', 'refused', { url: url.href, status: answer.status });
  return body;
}
