// A schedule fails here on purpose, so that there is a dead letter to look at.
export const handler = (request, response) => {
  if (request.type() === "schedule") throw new Error("on purpose");
  response.text("hello");
};
