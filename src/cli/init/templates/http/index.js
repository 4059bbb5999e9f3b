/** @type {import('@jobber/types').HttpHandler} */
export async function handler(request, response, context) {
  const name = request.param('name') ?? 'world';
  const visits = await context.increment('visits');
  console.log(`hello ${name}, visit ${visits}`);
  response.json({ hello: name, visits });
}
