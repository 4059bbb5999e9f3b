// The one line that a runner gets on its standard input: where to dial, and the secret that proves it.

/** Longer than any start line. */
const MAX_LINE_BYTES = 16_384;

/**
 * @typedef {object} Start
 * @property {string} host
 * @property {number} port
 * @property {string} token
 * @property {string} directory
 */

/**
 * Reads the start line and closes the input. The buffers that held the token are cleared.
 * @param {import('node:stream').Readable} input
 * @returns {Promise<Start>}
 */
export async function readStart(input) {
  /** @type {Buffer[]} */
  const pieces = [];
  let size = 0;
  for await (const piece of input) {
    pieces.push(piece);
    size += piece.length;
    if (size > MAX_LINE_BYTES) throw new Error('the start line on standard input is too long');
    if (piece.includes(0x0a)) break;
  }
  input.destroy();
  const line = Buffer.concat(pieces);
  const start = parseStart(line.toString('utf8'));
  for (const secret of [...pieces, line]) secret.fill(0);
  return start;
}

/** @param {string} text @returns {Start} */
function parseStart(text) {
  let start;
  try {
    start = JSON.parse(text.split('\n', 1)[0]);
  } catch {
    // The text has the token in it: it must not be in a message.
    throw new Error('the start line on standard input is not JSON');
  }
  const { host, port, token, directory } = start ?? {};
  const good =
    typeof host === 'string' &&
    Number.isInteger(port) &&
    port > 0 &&
    port < 65_536 &&
    typeof token === 'string' &&
    /^[0-9a-f]{64}$/.test(token) &&
    typeof directory === 'string' &&
    directory !== '';
  if (!good) throw new Error('the start line on standard input lacks host, port, token or directory');
  return { host, port, token, directory };
}
