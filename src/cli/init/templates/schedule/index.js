/** @type {import('@jobber/types').ScheduleHandler} */
export async function handler(request, response, context) {
  // When it was due, not when it runs.
  const scheduledAt = request.scheduledAt().toISOString();
  await context.setStoreJson('last', { scheduledAt });
  console.log(`ran for ${scheduledAt}`);
}
