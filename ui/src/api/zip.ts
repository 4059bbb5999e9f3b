/** Writes zip archives without compression: enough for the sample that the panel publishes. */
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function checksum(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (CRC[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** What the header of an entry has in common at both of its places. */
function about(name: Uint8Array, content: Uint8Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(26));
  view.setUint16(0, 20, true); // version needed
  view.setUint16(2, 0x0800, true); // names are UTF-8
  view.setUint16(8, 0x21, true); // 1 January 1980: the same files are the same bytes
  view.setUint32(10, checksum(content), true);
  view.setUint32(14, content.length, true);
  view.setUint32(18, content.length, true);
  view.setUint16(22, name.length, true);
  return new Uint8Array(view.buffer);
}

function number(value: number, bytes: 2 | 4): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  if (bytes === 2) view.setUint16(0, value, true);
  else view.setUint32(0, value, true);
  return new Uint8Array(view.buffer);
}

export function zip(files: Readonly<Record<string, string>>): Blob {
  const encoder = new TextEncoder();
  const body: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  const size = (parts: readonly Uint8Array[]) => parts.reduce((sum, part) => sum + part.length, 0);
  for (const [path, text] of Object.entries(files)) {
    const name = encoder.encode(path);
    const content = encoder.encode(text);
    const common = about(name, content);
    const entry = [number(0x04034b50, 4), common, name, content];
    directory.push(number(0x02014b50, 4), number(20, 2), common, new Uint8Array(10), number(offset, 4), name);
    body.push(...entry);
    offset += size(entry);
  }
  const count = Object.keys(files).length;
  const end = [number(0x06054b50, 4), new Uint8Array(4), number(count, 2), number(count, 2), number(size(directory), 4), number(offset, 4), number(0, 2)];
  return new Blob([...body, ...directory, ...end] as BlobPart[], { type: 'application/zip' });
}
