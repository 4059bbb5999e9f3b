// The other side: a client of the package `mqtt`, with nothing around it. It acknowledges a message of QoS 1 when the
// listener below has returned, as is its way.

import { createServer } from 'node:http';
import mqtt from 'mqtt';
import { count, counted, counts } from './count.mjs';

const [url, clientId, topic, version] = process.argv.slice(2);
const protocolVersion = Number(version);
const client = mqtt.connect(url, {
  clientId,
  protocolVersion,
  // The broker keeps what comes while the client is away.
  clean: false,
  ...(protocolVersion === 5 && { properties: { sessionExpiryInterval: 3_600, receiveMaximum: 1_000 } }),
});
client.on('message', count);
client.on('connect', ({ sessionPresent }) => {
  if (!sessionPresent) client.subscribe(topic, { qos: 1 });
});

createServer((request, response) => {
  const answer = JSON.stringify(request.url === '/marks' ? counts() : counted());
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) });
  response.end(answer);
}).listen(8080, '0.0.0.0');
