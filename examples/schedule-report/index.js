// A schedule and a route in one function: the one writes to the job's store, the other shows what is there.
// docs/reference/handler.md explains both.

const PREFIX = 'report/';
const SHOWN = 10;
/** Reports go by themselves after this. At one every ten seconds, all that are there fit into one page of the store. */
const TTL_SECONDS = 600;

/** @type {import('@jobber/types').Handler} */
export async function handler(request, response, context) {
  if (request.type() === 'schedule') await report(request, context);
  else await show(response, context);
}

/**
 * Every ten seconds.
 * @param {import('@jobber/types').ScheduleRequest} request
 * @param {import('@jobber/types').Context} context
 */
async function report(request, context) {
  // When it was due, not when it runs: that is later, and much later if the server was busy.
  const scheduledAt = request.scheduledAt();
  const lateMs = Date.now() - scheduledAt.getTime();
  // The key is made from the instant, so that a second attempt writes the same report instead of another one.
  const key = PREFIX + scheduledAt.toISOString();
  await context.setStoreJson(key, { scheduledAt, lateMs, attempt: request.attempt() }, { ttl: TTL_SECONDS });
  context.log('info', 'reported', { lateMs });
}

/**
 * GET /report: the last reports, the newest first.
 * @param {import('@jobber/types').HttpResponse} response
 * @param {import('@jobber/types').Context} context
 */
async function show(response, context) {
  // Keys come in the order of their bytes, which is that of time for ISO dates.
  const { items } = await context.list(PREFIX);
  const last = items.slice(-SHOWN).reverse();
  const reports = await Promise.all(last.map(({ key }) => context.getStoreJson(key)));
  // One may have expired since it was listed.
  response.json({ reports: reports.filter((item) => item !== null).map(({ value }) => value) });
}
