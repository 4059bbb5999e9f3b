// MQTT: a message on echo/request/… is published again on echo/response/…, and answered if it asks for an answer.
// docs/reference/handler.md explains what a handler of messages gets.

/**
 * @param {import('@jobber/types').MqttRequest} request
 * @param {import('@jobber/types').MqttResponse} response
 */
export async function handler(request, response) {
  // The filter echo/request/# also matches echo/request itself.
  const topic = request.topic().replace(/^echo\/request/, 'echo/response');
  const { contentType, userProperties } = request.properties();
  console.log(`${request.topic()} (QoS ${request.qos()}): ${request.data().length} bytes`);

  // The promise resolves when the broker has the message. If the broker does not take it, this throws, and the invocation
  // fails; `action.retries` of package.json says whether it is tried again.
  await response.publish(topic, request.data(), { qos: request.qos(), contentType, userProperties });

  // MQTT 5: what a handler returns is published to the response topic of the message, with its correlation data. If the
  // message has none, nothing is.
  return request.data();
}
