// Writes actors/testdata/frames/frames.json from golden.mjs and malformed.mjs: `npm run frames`. A test fails when the
// file is not what this makes.

import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { EXAMPLES } from './golden.mjs';
import { MALFORMED, bytes } from './malformed.mjs';

/** Where the golden file is. */
export const GOLDEN_FILE = new URL('../../../../actors/testdata/frames/frames.json', import.meta.url);

const ABOUT = [
  'Golden frames of the runner protocol (docs/reference/protocol.md), read by the tests of both sides.',
  'frames: decoding hex gives the fields; encoding the fields gives hex, where a head may differ in its spelling but not as JSON. head null: a head of length 0.',
  'malformed: each ends the session. zeros: that many zero bytes follow hex. prefix: the receiver gives up without waiting for more bytes.',
  'Made by docker/runner-node/test/frames/generate.mjs; do not edit.',
];

/** The text of the golden file. */
export function goldenText() {
  const frames = EXAMPLES.map((example) => {
    const { name, from, type, code, flags = 0, stream = 0, head = null, bodyUtf8, bodyHex } = example;
    const body = bodyUtf8 === undefined ? Buffer.from(bodyHex ?? '', 'hex') : Buffer.from(bodyUtf8);
    const headBytes = Buffer.from(head === null ? '' : JSON.stringify(head));
    const hex = bytes(code, flags, stream, headBytes, body).toString('hex');
    return { name, from, type, code, flags, stream, head, bodyHex: body.toString('hex'), ...(bodyUtf8 && { bodyUtf8 }), hex };
  });
  const malformed = MALFORMED.map(({ name, from, reason, bytes: wrong, zeros = 0, prefix = false }) => ({
    name,
    from,
    reason,
    zeros,
    prefix,
    hex: wrong.toString('hex'),
  }));
  return `${JSON.stringify({ about: ABOUT, protocol: 1, frames, malformed }, null, 1)}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(GOLDEN_FILE, goldenText());
  process.stdout.write(`wrote ${fileURLToPath(GOLDEN_FILE)}\n`);
}
