import type uPlot from 'uplot';

/** The value of a colour of the theme that is shown now. */
export const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Axes in the theme's colours; the second one says what its numbers mean. */
export function axes(value: (value: number) => string): uPlot.Axis[] {
  const common = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 } };
  return [
    { ...common, space: 70 },
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
