import { Hono } from 'hono';

const app = new Hono().basePath('/{{route}}');

app.get('/', (context) => context.json({ hello: 'world' }));
app.get('/:name', (context) => context.json({ hello: context.req.param('name') }));

export default app;
