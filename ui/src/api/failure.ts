/** What went wrong with a request, in the words of the API's problem documents (RFC 9457). */
export interface FieldFault {
  pointer: string;
  code: string;
  message: string;
}

/** A request that was refused, or that nobody answered. */
export class ApiFailure extends Error {
  constructor(
    /** The HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** The stable code, a heading of docs/reference/admin-errors.md. */
    readonly code: string,
    readonly title: string,
    detail: string,
    readonly faults: readonly FieldFault[] = [],
    /** After how many seconds it may be tried again. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
    this.name = 'ApiFailure';
  }

  /** The server was not reached at all. */
  static unreachable(cause: unknown): ApiFailure {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new ApiFailure(0, 'unreachable', 'The server does not answer', detail);
  }

  /** Reads a refusal. What is no problem document (of a proxy, say) is told by its status. */
  static of(response: Response, body: unknown): ApiFailure {
    const problem = isRecord(body) ? body : {};
    const text = (key: string) => (typeof problem[key] === 'string' ? problem[key] : undefined);
    const faults = Array.isArray(problem.errors) ? (problem.errors as FieldFault[]) : [];
    const wait = Number(response.headers.get('retry-after'));
    return new ApiFailure(
      response.status,
      text('code') ?? 'unknown',
      text('title') ?? `The server answered ${response.status}`,
      text('detail') ?? text('message') ?? 'The answer says no more.',
      faults,
      Number.isFinite(wait) && wait > 0 ? wait : null,
    );
  }

  static from(error: unknown): ApiFailure {
    return error instanceof ApiFailure ? error : ApiFailure.unreachable(error);
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const OWN_HELP: Record<string, string> = {
  unreachable: 'Is the server running, and does this device reach it? The page tries again by itself once it answers.',
  unknown: 'Something between this browser and Jobber has answered. Look at the proxy before the server.',
};

/** What a code means and what to do about it, from the reference; loaded when first needed. */
export async function helpFor(code: string): Promise<string | null> {
  const own = OWN_HELP[code];
  if (own !== undefined) return own;
  const { default: help } = await import('./error-help.json');
  return (help as Record<string, string>)[code] ?? null;
}
