// Not run: `npm run check` fails here when the published types promise what the runtime does not have.

/** @typedef {import('../../types/index.d.ts').HttpResponse} HttpResponse */
/** @typedef {import('../../types/index.d.ts').Context} Context */

/**
 * The methods of a published interface, without what they return: what the runtime's classes must have at least.
 * @template T
 * @typedef {{[K in keyof T]: T[K] extends (...args: infer A) => unknown ? (...args: A) => unknown : T[K]}} Shape
 */

/** @param {import('../../src/request.mjs').HttpRequest} request @returns {Shape<Omit<import('../../types/index.d.ts').HttpRequest, 'type'>>} */
export const httpRequest = (request) => request;

/** @param {import('../../src/request.mjs').MqttRequest} request @returns {Shape<Omit<import('../../types/index.d.ts').MqttRequest, 'type'>>} */
export const mqttRequest = (request) => request;

/** @param {import('../../src/request.mjs').ScheduleRequest} request @returns {Shape<Omit<import('../../types/index.d.ts').ScheduleRequest, 'type'>>} */
export const scheduleRequest = (request) => request;

/** @param {import('../../src/response.mjs').HttpResponse} response @returns {Shape<Omit<HttpResponse, 'stream'>>} */
export const httpResponse = (response) => response;

/** @param {import('../../src/response.mjs').MqttResponse} response @returns {import('../../types/index.d.ts').MqttResponse} */
export const mqttResponse = (response) => response;

/** @param {import('../../src/request.mjs').MqttMessage} message @returns {import('../../types/index.d.ts').MqttMessage} */
export const mqttMessage = (message) => message;

/** @param {import('../../src/context.mjs').Context} context @returns {Shape<Context>} */
export const context = (context) => context;
