// The heads of INVOKE, with everything they need.

const COMMON = { id: '0197a6f0-3c1e-7d52-9c0f-5f1d3a2b4c6d', attempt: 1, timeoutMs: 60_000 };

/** The trigger of every invocation. */
export const TRIGGER = '0197a6f0-0000-7000-8000-000000000003';

/** @returns {{id: string, name: string | null}} */
const trigger = () => ({ id: TRIGGER, name: null });

/** A request. @param {object} [http] */
export function httpHead(http = {}) {
  return {
    ...COMMON,
    kind: 'http',
    trigger: trigger(),
    http: {
      method: 'GET',
      target: '/',
      scheme: 'http',
      authority: 'example.org',
      headers: [],
      params: {},
      ip: '192.0.2.7',
      ...http,
    },
  };
}

/**
 * A message.
 * @param {object} [mqtt]
 * @param {import('../../src/mqtt.mjs').WireProperties} [properties]
 */
export function mqttHead(mqtt = {}, properties = {}) {
  return {
    ...COMMON,
    kind: 'mqtt',
    trigger: trigger(),
    mqtt: { topic: 'house/kitchen', qos: 1, retain: false, duplicate: false, properties, ...mqtt },
  };
}

/** A schedule that was due. @param {string} [scheduledAt] */
export function scheduleHead(scheduledAt = '2026-01-01T06:30:00.000Z') {
  return { ...COMMON, kind: 'schedule', trigger: trigger(), schedule: { scheduledAt } };
}
