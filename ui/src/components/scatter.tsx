import { useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { type InvocationPoints, OUTCOMES, type Outcome } from '../api/models';
import { Badge } from './basics';
import { axes, colour, observeWidth } from './chart-parts';
import { count, duration } from './format';
import { useTheme } from './theme';

const COLOURS: Record<Outcome, string> = {
  succeeded: '--good', failed: '--bad', 'timed-out': '--warn', lost: '--violet', refused: '--warn', cancelled: '--dim',
  queued: '--info', running: '--info', missed: '--violet', skipped: '--warn',
};
/** The least that the chart can show, in milliseconds: its axis is logarithmic. */
const LEAST = 0.1;
const HEIGHT = 220;

export interface Zoom {
  from: number;
  to: number;
  longerThan?: number;
  shorterThan?: number;
}

/** Each attempt as a point: when it came, how long it took, how it ended. Dragging zooms in both directions. */
export default function Scatter({ points, onZoom }: { points: InvocationPoints; onZoom: (zoom: Zoom) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const theme = useTheme();
  const { columns, outcomes } = useMemo(() => columnsOf(points), [points]);
  const chart = useRef<uPlot | null>(null);
  const shape = outcomes.join();
  const data = useRef(columns);
  data.current = columns;
  useEffect(() => {
    const host = place.current;
    if (host === null) return;
    const plot = new uPlot({
      width: host.clientWidth, height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: true, y: true, uni: 12, setScale: false }, points: { show: false } },
      scales: { x: { time: true }, y: { distr: 3, log: 10 } },
      axes: axes((value) => duration(value)),
      series: [{}, ...(shape === '' ? [] : shape.split(',')).map((outcome) => {
        const fill = colour(COLOURS[outcome as Outcome]);
        return { label: outcome, paths: () => null, points: { show: true, size: 6, width: 0, fill, stroke: fill } };
      })],
      hooks: {
        setSelect: [(self) => {
          const { left, top, width, height } = self.select;
          if (width < 4 && height < 4) return;
          const at = (x: number) => self.posToVal(x, 'x') * 1000;
          const ms = (y: number) => Math.max(0, self.posToVal(y, 'y'));
          const tall = height < self.over.clientHeight - 2;
          zoom.current({
            from: at(left), to: at(left + Math.max(width, 1)),
            ...(tall && ms(top + height) > LEAST ? { longerThan: Math.floor(ms(top + height)) } : {}),
            ...(tall ? { shorterThan: Math.ceil(ms(top)) } : {}),
          });
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
      },
    }, data.current, host);
    chart.current = plot;
    const done = observeWidth(host, plot, HEIGHT);
    return () => { done(); plot.destroy(); chart.current = null; };
  }, [shape, theme]);
  useEffect(() => chart.current?.setData(columns), [columns]);
  return (
    <>
      <ul className="legend" aria-label="Outcomes">{outcomes.map((outcome) => <li key={outcome}><Badge status={outcome} /></li>)}</ul>
      <div className="chart" ref={place} role="img" aria-label={`${count(points.at.length)} attempts by time and duration; the table below has all of them`} />
    </>
  );
}

function columnsOf({ from, at, durationMs, status, statuses }: InvocationPoints): { columns: uPlot.AlignedData; outcomes: Outcome[] } {
  const outcomes = OUTCOMES.filter((outcome) => statuses.includes(outcome));
  const begin = Date.parse(from);
  const values = outcomes.map((outcome) => {
    const place = statuses.indexOf(outcome);
    return durationMs.map((ms, index) => (status[index] === place ? Math.max(LEAST, ms) : null));
  });
  return { columns: [at.map((ahead) => (begin + ahead) / 1000), ...values], outcomes };
}
