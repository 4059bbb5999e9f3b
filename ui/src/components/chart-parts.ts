import type uPlot from 'uplot';

/** The value of a colour of the theme that is shown now. */
export const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const dated = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short' });
const minutes = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const seconds = new Intl.DateTimeFormat('en-GB', { minute: '2-digit', second: '2-digit' });
const fractions = new Intl.DateTimeFormat('en-GB', { second: '2-digit', fractionalSecondDigits: 3 });

/** A moment as exact as marks of this distance need it; midnight is told as its day. */
function mark(at: number, distance: number): string {
  const moment = new Date(at * 1000);
  if (distance >= 86_400 || (distance >= 60 && moment.getHours() === 0 && moment.getMinutes() === 0)) return dated.format(moment);
  return (distance >= 60 ? minutes : distance >= 1 ? seconds : fractions).format(moment);
}

/** Axes in the theme's colours; the second one says what its numbers mean. */
export function axes(value: (value: number) => string): uPlot.Axis[] {
  const common = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 } };
  return [
    { ...common, space: 70, values: (_, splits, __, ___, distance) => splits.map((at) => mark(at, distance)) },
    { ...common, size: 66, values: (_, splits) => splits.map((split) => (split === null ? '' : value(split))) },
  ];
}

/** Keeps a chart as wide as its place. */
export function observeWidth(place: HTMLElement, plot: uPlot, height: number): () => void {
  const observer = new ResizeObserver(() => {
    if (place.clientWidth > 0 && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height });
  });
  observer.observe(place);
  return () => observer.disconnect();
}
