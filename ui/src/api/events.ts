import { noticeSignedOut, proof } from './client';
import { ApiFailure } from './failure';

export interface ServerEvent {
  id: string | null;
  event: string;
  data: string;
}

/** Takes server-sent events out of a text that arrives in pieces. */
export class EventReader {
  private rest = '';
  private id: string | null = null;
  private event = 'message';
  private lines: string[] = [];

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?=.)/s);
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.line(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  private line(line: string): ServerEvent | null {
    if (line === '') {
      const { lines, event, id } = this;
      this.lines = [];
      this.event = 'message';
      return lines.length === 0 ? null : { id, event, data: lines.join('\n') };
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.lines.push(value);
    else if (field === 'id') this.id = value;
    else if (field === 'event') this.event = value;
    return null;
  }
}

export type FollowState = 'connecting' | 'open' | 'lost';

export interface Following {
  onEvent: (event: ServerEvent) => void;
  onState: (state: FollowState) => void;
  /** The server refuses for good; it is not tried again. */
  onRefused: (failure: ApiFailure) => void;
}

/** How long to wait before a lost stream is asked for again, in milliseconds. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;

/**
 * Follows a stream of events until the signal ends it, and asks for what came after the last one where it was lost.
 * Unlike `EventSource` it can prove itself by a token and read why it was refused.
 */
export async function follow(url: string, to: Following, signal: AbortSignal): Promise<void> {
  let last: string | null = null;
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    to.onState('connecting');
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream', ...proof() };
      if (last !== null) headers['Last-Event-ID'] = last;
      const response = await fetch(url, { headers, signal, credentials: 'same-origin' });
      if (!response.ok || response.body === null) {
        const failure = ApiFailure.of(response, await response.json().catch(() => null));
        noticeSignedOut(failure);
        if (response.status < 500) return to.onRefused(failure);
        throw failure;
      }
      to.onState('open');
      wait = FIRST_WAIT;
      const reader = new EventReader();
      const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await chunks.read();
        if (done) break;
        for (const event of reader.push(value)) {
          last = event.id ?? last;
          to.onEvent(event);
        }
      }
    } catch {
      // Lost, or given up by the caller: the loop tells which.
    }
    if (signal.aborted) return;
    to.onState('lost');
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}
