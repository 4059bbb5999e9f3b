// The classic handler: one function for all triggers of the package. docs/reference/handler.md explains what it gets.

const MAX_NAME_LENGTH = 100;

/**
 * GET /hello, GET /hello?name=Ada, GET /hello/Ada, POST /hello with {"name": "Ada"}.
 *
 * @param {import('@jobber/types').HttpRequest} request
 * @param {import('@jobber/types').HttpResponse} response
 * @param {import('@jobber/types').Context} context
 */
export async function handler(request, response, context) {
  let name;
  try {
    name = nameOf(request);
  } catch (error) {
    if (error.code !== 'bad-json') throw error;
    return response.json({ error: error.message }, 400);
  }
  if (typeof name !== 'string' || name.length > MAX_NAME_LENGTH) {
    return response.json({ error: `name must be a text of at most ${MAX_NAME_LENGTH} characters` }, 400);
  }

  // What is written to the console is in the job's log, under the id of this invocation.
  console.log(`saying hello to ${name}`);

  // A variable of the job, if it has one: `GREETING`.
  const greeting = context.env.GREETING ?? 'Hello';
  return response.header('cache-control', 'no-store').json({ message: `${greeting}, ${name}!`, trigger: request.name() });
}

/** @param {import('@jobber/types').HttpRequest} request */
function nameOf(request) {
  if (request.method() === 'POST') return request.json()?.name;
  return request.param('name') ?? request.query('name') ?? 'world';
}
