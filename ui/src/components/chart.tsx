import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { axes, colour, observeWidth } from './chart-parts';
import { useTheme } from './theme';

export interface Line {
  label: string;
  /** A custom property of the theme. */
  colour: string;
  values: (number | null)[];
  /** Filled down to the axis. */
  filled?: boolean;
}

interface ChartProps {
  label: string;
  /** In milliseconds. */
  times: readonly number[];
  lines: readonly Line[];
  format: (value: number) => string;
  /** Moments with a word, such as deploys. */
  markers?: readonly { at: number; text: string }[];
}

const HEIGHT = 200;

/** Lines over time, in the colours of the theme, with the values under the pointer. */
export default function Chart({ label, times, lines, format, markers = [] }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const key = JSON.stringify([label, lines.map((line) => line.label), markers]);
  const chart = useRef<uPlot | null>(null);
  const data: uPlot.AlignedData = [times.map((time) => time / 1000), ...lines.map((line) => line.values)];
  const latest = useRef({ data, lines, format, markers });
  latest.current = { data, lines, format, markers };
  useEffect(() => {
    const host = place.current;
    if (host === null) return;
    const now = latest.current;
    const plot = new uPlot({
      width: host.clientWidth, height: HEIGHT,
      cursor: { sync: { key: 'jobber' }, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
      axes: axes((value) => now.format(value)),
      series: [{}, ...now.lines.map((line) => ({
        label: line.label, stroke: colour(line.colour), width: 1.5, spanGaps: false, points: { show: true, size: 5, fill: colour(line.colour), filter: alone },
        value: (_: uPlot, value: number | null) => (value === null ? '–' : now.format(value)),
        ...(line.filled ? { fill: `${colour(line.colour)}33` } : {}),
      }))],
      hooks: { draw: [(self) => drawMarkers(self, latest.current.markers)] },
    }, now.data, host);
    chart.current = plot;
    const done = observeWidth(host, plot, HEIGHT);
    return () => { done(); plot.destroy(); chart.current = null; };
  }, [key, theme]);
  useEffect(() => chart.current?.setData(latest.current.data), [times]);
  return <div className="chart" ref={place} role="img" aria-label={label} />;
}

/** Values with none on either side: a line through them would have no length. */
function alone(self: uPlot, series: number): number[] {
  const values = self.data[series] ?? [];
  const there = (at: number) => values[at] !== null && values[at] !== undefined;
  return Array.from(values, (_, at) => at).filter((at) => there(at) && !there(at - 1) && !there(at + 1));
}

/** Words of markers that are nearer to each other than this are left out, in pixels of the page. */
const WORD = 44;

function drawMarkers(self: uPlot, markers: readonly { at: number; text: string }[]): void {
  const { ctx, bbox } = self;
  ctx.save();
  ctx.strokeStyle = colour('--violet');
  ctx.fillStyle = colour('--violet');
  ctx.font = `${11 * devicePixelRatio}px system-ui`;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  let free = 0;
  for (const { at, text } of markers.toSorted((one, two) => one.at - two.at)) {
    const x = self.valToPos(at / 1000, 'x', true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (x < free) continue;
    ctx.fillText(text, x + 4, bbox.top + 12 * devicePixelRatio);
    free = x + WORD * devicePixelRatio;
  }
  ctx.restore();
}
