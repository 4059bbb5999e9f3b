/** How numbers, times and sizes are written, the same on every page. */
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'narrow' });
const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1],
];

/** “5 min ago”, “in 2 hr”. */
export function ago(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000);
  if (Math.abs(seconds) < 1) return 'now';
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return 'now';
}

const absolute = new Intl.DateTimeFormat('en-GB', {
  year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
});
export const fullTime = (at: number): string => absolute.format(at);

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
export const clockTime = (at: number): string => clock.format(at);

/** Milliseconds in the unit that reads best. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–';
  if (ms === 0) return '0 ms';
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

const whole = new Intl.NumberFormat('en');
/** “1 dead letter”, “2 dead letters”. */
export const plural = (value: number, word: string): string => `${count(value)} ${word}${value === 1 ? '' : 's'}`;

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
export const count = (value: number): string => (value < 100_000 ? whole.format(value) : compact.format(value));

export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || Number.isNaN(share)) return '–';
  if (share === 0) return '0 %';
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** Pairs of texts, such as header fields, on one line each. */
const PAIR = /\[\n\s+("(?:[^"\\]|\\.)*"),\n\s+("(?:[^"\\]|\\.)*")\n\s+\]/g;
const indented = (value: unknown): string => (JSON.stringify(value, null, 2) ?? '').replace(PAIR, '[$1, $2]');

/** JSON for people; a text that is none comes back as it is. */
export function pretty(value: unknown): string {
  if (typeof value !== 'string') return indented(value);
  try {
    return indented(JSON.parse(value));
  } catch {
    return value;
  }
}

/** A word for a shell, quoted. */
export const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
