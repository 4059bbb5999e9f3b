// Jobber's side.

import { count, counted, counts } from './count.mjs';

export function handler(request, response) {
  if (request.type() === 'mqtt') count(request.topic(), request.data());
  else response.json(request.path() === '/marks' ? counts() : counted());
}
