// Orders in the job's store: POST /orders keeps one, GET /orders/:id gives it back.

import type { Context, HttpHandler, HttpRequest, HttpResponse } from '@jobber/types';
import { z } from 'zod';

const Order = z.object({
  product: z.string().min(1).max(100),
  count: z.int().positive(),
});

export const handler: HttpHandler = async (request, response, context) => {
  if (request.name() === 'create') await create(request, response, context);
  else await read(request, response, context);
};

async function create(request: HttpRequest, response: HttpResponse, context: Context): Promise<void> {
  const order = Order.safeParse(parsed(request.text()));
  if (!order.success) {
    const errors = order.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
    response.json({ errors }, 400);
    return;
  }
  const id = await context.increment('last-id');
  await context.setStoreJson(`order/${id}`, order.data);
  console.log(`order ${id}: ${order.data.count} of ${order.data.product}`);
  response.header('location', `/orders/${id}`).json({ id, ...order.data }, 201);
}

async function read(request: HttpRequest, response: HttpResponse, context: Context): Promise<void> {
  const id = request.param('id');
  const item = await context.getStoreJson(`order/${id}`);
  if (item === null) response.json({ error: 'there is no such order' }, 404);
  else response.json({ id: Number(id), ...Order.parse(item.value) });
}

/** What is no JSON is no order either, and is told in the same way. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
