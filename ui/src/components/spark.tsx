import type { MetricPoint } from '../api/models';

export const bad = (point: MetricPoint): number => point.failed + point.timedOut + point.lost + point.refused + point.turnedAway;
export const total = (point: MetricPoint): number => point.succeeded + point.cancelled + bad(point);

/** Invocations over time in the size of a word; what went wrong stands at the foot. */
export function Spark({ points, label }: { points: readonly MetricPoint[]; label: string }) {
  const most = Math.max(1, ...points.map(total));
  const width = 110 / Math.max(1, points.length);
  return (
    <svg className="spark" viewBox="0 0 110 26" preserveAspectRatio="none" role="img" aria-label={label}>
      <line x1="0" x2="110" y1="25.5" y2="25.5" stroke="var(--line)" />
      {points.map((point, index) => {
        const all = (total(point) / most) * 24;
        const wrong = (bad(point) / most) * 24;
        if (all === 0) return null;
        const x = index * width;
        return (
          <g key={point.at}>
            <rect className="ok" x={x} width={Math.max(0.8, width - 0.6)} y={25 - all} height={all - wrong} />
            {wrong > 0 ? <rect className="no" x={x} width={Math.max(0.8, width - 0.6)} y={25 - wrong} height={Math.max(1, wrong)} /> : null}
          </g>
        );
      })}
    </svg>
  );
}

/** Sums over a span. Percentiles are the means of those of its points, weighted by how much happened: estimates, and shown as such. */
export function summed(points: readonly MetricPoint[]) {
  const all = points.reduce((sum, point) => sum + total(point), 0);
  const wrong = points.reduce((sum, point) => sum + bad(point), 0);
  const cold = points.reduce((sum, point) => sum + point.coldStarts, 0);
  const mean = (of: (point: MetricPoint) => number | null | undefined) => {
    const known = points.filter((point) => total(point) > 0 && of(point) != null);
    const weight = known.reduce((sum, point) => sum + total(point), 0);
    return weight === 0 ? null : known.reduce((sum, point) => sum + (of(point) ?? 0) * total(point), 0) / weight;
  };
  return {
    all, wrong, cold,
    errorShare: all === 0 ? null : wrong / all,
    coldShare: all === 0 ? null : cold / all,
    p50: mean((point) => point.total.p50Ms),
    p95: mean((point) => point.total.p95Ms),
  };
}
