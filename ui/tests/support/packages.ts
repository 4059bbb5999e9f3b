import { zip } from '../../src/api/zip';

interface Parts {
  name: string;
  version?: string;
  description?: string;
  code?: string;
  triggers?: object[];
  action?: object;
}

const CODE = `export async function handler(request, response) {
  if (request.type() === 'schedule') {
    if (request.name() === 'broken') throw new Error('the report can not be written');
    console.log('scheduled');
    return;
  }
  console.log('called', request.path());
  if (request.query('fail') != null) throw new TypeError('it was asked to fail');
  response.json({ path: request.path(), body: request.text() });
}
`;

/** A package that keeps what it is called with, logs a line for each call, and fails when it is asked to. */
export function archive({ name, version = '1.0.0', description = `The job of a test, ${name}.`, code = CODE, triggers, action }: Parts): Blob {
  const path = `/${name}`;
  return zip({
    'package.json': JSON.stringify({
      name, version, description, type: 'module', main: './index.js',
      action: { capture: 'all', runnerMinCount: 1, ...action },
      triggers: triggers ?? [
        { type: 'http', name: 'call', method: 'GET', path },
        { type: 'http', name: 'send', method: 'POST', path: `${path}/:id` },
        { type: 'schedule', name: 'yearly', cron: '0 0 1 1 *' },
        { type: 'schedule', name: 'broken', cron: '0 0 2 1 *' },
      ],
    }),
    'index.js': code,
  });
}
