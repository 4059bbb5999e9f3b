export interface Entry {
  name: string;
  value: string;
}

/** Reads a `.env`: `NAME=value`, `export`, quotes, comments, and quoted values over several lines. What is no entry is told. */
export function parseDotenv(text: string): { entries: Entry[]; faults: string[] } {
  const entries = new Map<string, string>();
  const faults: string[] = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at += 1) {
    const first = at;
    const line = (lines[at] ?? '').trim();
    if (line === '' || line.startsWith('#')) continue;
    const match = /^(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/s.exec(line);
    if (match === null) {
      faults.push(`Line ${first + 1} is no NAME=value`);
      continue;
    }
    const name = (match[1] ?? '').toUpperCase();
    let rest = match[2] ?? '';
    const quote = rest[0];
    if (quote === '"' || quote === "'") {
      let end = closing(rest, quote);
      while (end < 0 && at + 1 < lines.length) {
        at += 1;
        rest += `\n${lines[at] ?? ''}`;
        end = closing(rest, quote);
      }
      if (end < 0) {
        faults.push(`Line ${first + 1} has a quote that is not closed`);
        break;
      }
      const inner = rest.slice(1, end);
      entries.set(name, quote === '"' ? unescape(inner) : inner);
    } else entries.set(name, rest.replace(/\s+#.*$/, '').trim());
  }
  return { entries: [...entries].map(([name, value]) => ({ name, value })), faults };
}

function closing(text: string, quote: string): number {
  for (let at = 1; at < text.length; at += 1) {
    if (text[at] === '\\' && quote === '"') at += 1;
    else if (text[at] === quote) return at;
  }
  return -1;
}

function unescape(text: string): string {
  const known: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
  return text.replace(/\\(.)/gs, (_, character: string) => known[character] ?? character);
}
