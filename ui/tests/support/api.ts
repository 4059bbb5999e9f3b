/** The admin API, as tests prepare and look behind the panel with it. */
export class Api {
  constructor(
    private readonly base: string,
    private readonly token: string,
  ) {}

  async get<T>(path: string): Promise<T> {
    return (await this.send('GET', path)) as T;
  }

  async post<T>(path: string, body?: unknown): Promise<T> {
    return (await this.send('POST', path, body)) as T;
  }

  async put<T>(path: string, body: unknown): Promise<T> {
    return (await this.send('PUT', path, body)) as T;
  }

  async delete(path: string): Promise<void> {
    await this.send('DELETE', path);
  }

  async publish(archive: Blob): Promise<void> {
    await this.send('POST', '/api/job/publish', archive);
  }

  private async send(method: string, path: string, body?: unknown): Promise<unknown> {
    const archive = body instanceof Blob;
    const response = await fetch(this.base + path, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'Content-Type': archive ? 'application/zip' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: archive ? body : JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }
}

/** Of the server that the tests run against. */
export const api = (): Api => new Api(process.env.JOBBER_API ?? '', process.env.JOBBER_TOKEN ?? '');
