import { zip } from '../api/zip';

const MANIFEST = {
  name: 'sample',
  version: '1.0.0',
  description: 'Says hello over HTTP, and every minute to its log.',
  type: 'module',
  main: './index.js',
  action: { capture: 'all' },
  triggers: [
    { type: 'http', name: 'hello', method: 'GET', path: '/sample/hello/:name' },
    { type: 'schedule', name: 'minute', cron: '* * * * *' },
  ],
};

const CODE = `export function handler(request, response) {
  if (request.type() === 'schedule') {
    console.log('another minute has gone by');
    return;
  }
  const name = request.param('name');
  console.log('somebody said hello:', name);
  response.json({ hello: name });
}
`;

/** A package that shows what Jobber does, without anything to install. */
export const sample = (): Blob => zip({ 'package.json': `${JSON.stringify(MANIFEST, null, 2)}\n`, 'index.js': CODE });
