import createClient from 'openapi-fetch';
import { ApiFailure } from './failure';
import type { paths } from './schema';

const TOKEN_KEY = 'jobber-token';

/** A token that somebody signed in with instead of a password; it lasts as long as the tab. */
export const storedToken = {
  get: () => sessionStorage.getItem(TOKEN_KEY),
  set: (token: string) => sessionStorage.setItem(TOKEN_KEY, token),
  clear: () => sessionStorage.removeItem(TOKEN_KEY),
};

/** The header fields that say who makes a request, besides the session's cookie. */
export function proof(): Record<string, string> {
  const token = storedToken.get();
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

type Listener = () => void;
const onSignedOut = new Set<Listener>();

/** Calls the listener whenever an answer says that nobody is signed in any more. */
export function whenSignedOut(listener: Listener): () => void {
  onSignedOut.add(listener);
  return () => onSignedOut.delete(listener);
}

export function noticeSignedOut(failure: ApiFailure): void {
  if (failure.code === 'unauthorized') for (const listener of onSignedOut) listener();
}

export const api = createClient<paths>({ baseUrl: '/', credentials: 'same-origin' });
api.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(proof())) request.headers.set(name, value);
    return request;
  },
});

interface Answer {
  data?: unknown;
  error?: unknown;
  response: Response;
}

/** The whole body of an answer, or the failure that it tells. */
export async function whole<A extends Answer>(answer: Promise<A>): Promise<NonNullable<A['data']>> {
  let got: A;
  try {
    got = await answer;
  } catch (cause) {
    throw ApiFailure.unreachable(cause);
  }
  if (!got.response.ok || got.data === undefined || got.data === null) {
    const failure = ApiFailure.of(got.response, got.error);
    noticeSignedOut(failure);
    throw failure;
  }
  return got.data as NonNullable<A['data']>;
}

/** What stands in the envelope of an answer. */
export async function data<A extends Answer>(
  answer: Promise<A>,
): Promise<NonNullable<A['data']> extends { data: infer D } ? D : never> {
  const envelope = (await whole(answer)) as unknown as { data: unknown };
  return envelope.data as NonNullable<A['data']> extends { data: infer D } ? D : never;
}

export interface Upload {
  url: string;
  body: Blob;
  type: string;
  /** From 0 to 1 while the body is on its way, then null while the server works. */
  onProgress: (share: number | null) => void;
}

/** Sends a large body and tells how far it is, which `fetch` can not. */
export function upload<T>({ url, body, type, onProgress }: Upload): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.setRequestHeader('Content-Type', type);
    for (const [name, value] of Object.entries(proof())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.total > 0 ? event.loaded / event.total : null);
    request.upload.onload = () => onProgress(null);
    request.onerror = () => reject(ApiFailure.unreachable(new Error('the connection broke off')));
    request.onload = () => {
      let answer: unknown = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // Told by its status below.
      }
      if (request.status >= 200 && request.status < 300) {
        resolve((answer as { data: T }).data);
      } else {
        const headers = new Headers();
        const wait = request.getResponseHeader('retry-after');
        if (wait !== null) headers.set('retry-after', wait);
        reject(ApiFailure.of({ status: request.status, headers } as Response, answer));
      }
    };
    request.send(body);
  });
}
