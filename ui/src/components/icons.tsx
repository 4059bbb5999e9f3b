/** The panel's icons, drawn for it: 16 × 16, strokes in the colour of the text. */
const PATHS = {
  home: 'M2.5 7.5 8 3l5.5 4.5V13h-4V9.5h-3V13h-4z',
  jobs: 'M2.5 4.5h11v8h-11zM5.5 4.5v-2h5v2M2.5 8h11',
  invocations: 'M2.5 13V9M6 13V5.5M9.5 13V7.5M13 13V3',
  test: 'M5 2.5h6M6.5 2.5v4L3 13h10L9.5 6.5v-4M4.7 10h6.6',
  letters: 'M2.5 4h11v8.5h-11zM2.5 4.5 8 9l5.5-4.5M6 2h4',
  runners: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01',
  tree: 'M6.5 2.5h3v3h-3zM2 10.5h3v3H2zM11 10.5h3v3h-3zM8 5.5V8M3.5 10.5V8h9v2.5',
  users: 'M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 13.5c.6-2.4 2.5-3.5 5-3.5s4.4 1.1 5 3.5',
  key: 'M10.5 8.5a3 3 0 1 0-2.8-1.9L2.5 11.7v1.8h2.5v-1.5h1.5v-1.5l1.6-1.6c.5.4 1.5.1 2.4-.4zM11.5 4.5h.01',
  audit: 'M4 2.5h8v11H4zM6 5.5h4M6 8h4M6 10.5h2.5',
  settings: 'M2.5 4.5h6M12 4.5h1.5M10 3v3M2.5 11.5H4M7.5 11.5h6M5.5 10v3M2.5 8h11',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3.5 3.5',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z',
  copy: 'M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3',
  done: 'M3 8.5l3.5 3.5L13 4.5',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  http: 'M2.5 8h11M8 2.5c2.5 3 2.5 8 0 11M8 2.5c-2.5 3-2.5 8 0 11M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11z',
  mqtt: 'M3 13a9 9 0 0 0-.5-.5M3 9.5A3.5 3.5 0 0 1 6.5 13M3 6a7 7 0 0 1 7 7M3 2.5A10.5 10.5 0 0 1 13.5 13',
  schedule: 'M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 5v3.2l2 1.5',
  play: 'M4.5 3l8 5-8 5z',
  stop: 'M4 4h8v8H4z',
  down: 'M8 2.5v8M4.5 7.5 8 11l3.5-3.5M3 13.5h10',
  up: 'M8 11V3M4.5 6 8 2.5 11.5 6M3 13.5h10',
  out: 'M9.5 2.5h4v11h-4M2.5 8h7M6.5 5l3 3-3 3',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, label }: { name: IconName; label?: string }) {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round"
      strokeLinejoin="round" role={label === undefined ? undefined : 'img'} aria-label={label} aria-hidden={label === undefined}>
      {label === undefined ? null : <title>{label}</title>}
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0f6f66" />
      <path d="M18 6v14a5 5 0 0 1-10 0" fill="none" stroke="#fff" strokeWidth="4" strokeLinecap="round" />
      <circle cx="24" cy="9" r="3" fill="#f6b73c" />
    </svg>
  );
}
