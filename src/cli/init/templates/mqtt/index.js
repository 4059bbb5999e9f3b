/**
 * A message on {{route}}/in/… is published again on {{route}}/out/….
 *
 * @param {import('@jobber/types').MqttRequest} request
 * @param {import('@jobber/types').MqttResponse} response
 */
export async function handler(request, response) {
  const topic = request.topic().replace('/in', '/out');
  console.log(`${request.topic()}: ${request.data().length} bytes`);
  // When this throws, the message is tried again as `retries` in package.json says, and kept as a dead letter after that.
  await response.publish(topic, request.data(), { qos: request.qos() });
}
