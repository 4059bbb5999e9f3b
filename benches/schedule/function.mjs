// Notes how late it is called for each instant, and tells.

const fires = [];

export function handler(request, response) {
  if (request.type() === 'schedule') {
    const due = request.scheduledAt().getTime();
    fires.push([due, Date.now() - due]);
  } else {
    response.json(fires);
  }
}
