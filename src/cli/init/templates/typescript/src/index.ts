import type { HttpHandler } from '@jobber/types';

interface Greeting {
  hello: string;
  visits: number;
}

export const handler: HttpHandler = async (request, response, context) => {
  const name = request.param('name') ?? 'world';
  const greeting: Greeting = { hello: name, visits: await context.increment('visits') };
  console.log(`hello ${name}, visit ${greeting.visits}`);
  response.json(greeting);
};
