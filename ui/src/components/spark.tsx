import type { MetricPoint } from '../api/models';

export const bad = (point: MetricPoint): number => point.failed + point.timedOut + point.lost + point.refused + point.turnedAway;
export const total = (point: MetricPoint): number => point.succeeded + point.cancelled + bad(point);

/** Invocations over time in the size of a word; what went wrong stands at the foot. */
export function Spark({ counts, errors, label }: { counts: readonly number[]; errors: readonly number[]; label: string }) {
  const most = Math.max(1, ...counts);
  const width = 110 / Math.max(1, counts.length);
  return (
    <svg className="spark" viewBox="0 0 110 26" preserveAspectRatio="none" role="img" aria-label={label}>
      <line x1="0" x2="110" y1="25.5" y2="25.5" stroke="var(--line)" />
      {counts.map((count, index) => {
        const all = (count / most) * 24;
        const wrong = ((errors[index] ?? 0) / most) * 24;
        if (all === 0) return null;
        const x = index * width;
        return (
          <g key={index}>
            <rect className="ok" x={x} width={Math.max(0.8, width - 0.6)} y={25 - all} height={all - wrong} />
            {wrong > 0 ? <rect className="no" x={x} width={Math.max(0.8, width - 0.6)} y={25 - wrong} height={Math.max(1, wrong)} /> : null}
          </g>
        );
      })}
    </svg>
  );
}

/** What a span came to, out of the point that stands for all of it. */
export function sums(whole: MetricPoint) {
  const all = total(whole);
  const wrong = bad(whole);
  return {
    all, wrong, cold: whole.coldStarts,
    errorShare: all === 0 ? null : wrong / all,
    coldShare: whole.coldStartShare,
    p50: whole.total.p50Ms,
    p95: whole.total.p95Ms,
  };
}
