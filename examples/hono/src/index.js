// A Hono app: its default export has `fetch(request, env, context)`, which is all that Jobber asks for.

import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { streamText } from 'hono/streaming';

const MAX_COUNT = 1_000;

// Paths come as the client sent them: the app says where it lives.
const app = new Hono().basePath('/hono');

app.use(async (context, next) => {
  await next();
  // Hono hands Jobber's context through as `executionCtx`.
  context.header('x-served-by', context.executionCtx.trigger ?? 'hono');
});

// `context.env` has the job's variables.
app.get('/', (context) => context.json({ hello: context.env.NAME ?? 'world' }));

app.get('/visits/:page', async (context) => {
  const visits = await context.executionCtx.increment(`visits/${context.req.param('page')}`);
  return context.json({ visits });
});

app.get('/count', (context) => {
  const to = Number(context.req.query('to') ?? 3);
  if (!(to <= MAX_COUNT)) throw new HTTPException(400, { message: `to is a number up to ${MAX_COUNT}` });
  return streamText(context, async (stream) => {
    for (let n = 1; n <= to; n += 1) await stream.writeln(String(n));
  });
});

app.post('/upper', async (context) => context.text((await context.req.text()).toUpperCase()));

app.notFound((context) => context.json({ error: 'not found' }, 404));

export default app;
