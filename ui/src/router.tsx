import { QueryClient } from '@tanstack/react-query';
import {
  Outlet, createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect,
} from '@tanstack/react-router';
import { storedToken, whenSignedOut } from './api/client';
import { ApiFailure } from './api/failure';
import { PageFault } from './components/failure';
import { NotFound } from './pages/not-found';
import { identityQuery } from './session/session';
import { Shell } from './shell/shell';

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1_000,
      refetchOnWindowFocus: true,
      // A refusal stays one; what was not answered, or not now, is tried again.
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiFailure) || error.status === 0 || error.status >= 500),
    },
  },
});

/** Search parameters are plain texts, so that an address means what it says. */
type Search = Record<string, string>;
const only = (...keys: string[]) => (search: Record<string, unknown>): Search =>
  Object.fromEntries(keys.flatMap((key) => (typeof search[key] === 'string' && search[key] !== '' ? [[key, search[key]]] : [])));

export const INVOCATION_FILTERS = ['status', 'type', 'triggerId', 'versionId', 'from', 'to', 'longerThan', 'shorterThan', 'text', 'sort'];
export const LOG_FILTERS = ['invocation', 'version', 'stream', 'level', 'text', 'from', 'to'];

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ component: Outlet, notFoundComponent: NotFound });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: only('next'),
  component: lazyRouteComponent(() => import('./pages/sign-in'), 'SignIn'),
});

const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  component: Shell,
  errorComponent: PageFault,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queries.ensureQueryData(identityQuery);
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 401) {
        storedToken.clear();
        throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { next: location.href } });
      }
      throw error;
    }
  },
});

const page = <P extends string>(path: P, load: () => Promise<{ [name: string]: unknown }>, name: string, search: string[] = []) =>
  createRoute({
    getParentRoute: () => app,
    path,
    validateSearch: only(...search),
    component: lazyRouteComponent(load as () => Promise<Record<string, () => React.ReactNode>>, name),
  });

const job = createRoute({
  getParentRoute: () => app,
  path: '/jobs/$job',
  component: lazyRouteComponent(() => import('./pages/job/layout'), 'JobLayout'),
});

const tab = <P extends string>(path: P, load: () => Promise<{ [name: string]: unknown }>, name: string, search: string[] = []) =>
  createRoute({
    getParentRoute: () => job,
    path,
    validateSearch: only(...search),
    component: lazyRouteComponent(load as () => Promise<Record<string, () => React.ReactNode>>, name),
  });

const tree = root.addChildren([
  signIn,
  app.addChildren([
    page('/', () => import('./pages/home'), 'Home'),
    page('/jobs', () => import('./pages/jobs'), 'Jobs', ['search', 'status', 'publish']),
    job.addChildren([
      tab('/', () => import('./pages/job/overview'), 'Overview'),
      tab('/invocations', () => import('./pages/job/invocations'), 'JobInvocations', INVOCATION_FILTERS),
      tab('/logs', () => import('./pages/job/logs'), 'Logs', LOG_FILTERS),
      tab('/metrics', () => import('./pages/job/metrics'), 'Metrics', ['range']),
      tab('/versions', () => import('./pages/job/versions'), 'Versions', ['compare']),
      tab('/environment', () => import('./pages/job/environment'), 'Environment'),
      tab('/triggers', () => import('./pages/job/triggers'), 'Triggers'),
      tab('/dead-letters', () => import('./pages/job/dead-letters'), 'JobDeadLetters'),
      tab('/store', () => import('./pages/job/store'), 'Store', ['prefix']),
      tab('/settings', () => import('./pages/job/settings'), 'JobSettings'),
    ]),
    page('/invocations', () => import('./pages/invocations'), 'Invocations', [...INVOCATION_FILTERS, 'jobId']),
    page('/invocations/$invocation', () => import('./pages/invocation'), 'InvocationPage'),
    page('/test', () => import('./pages/test'), 'Test', ['job', 'trigger', 'version']),
    page('/dead-letters', () => import('./pages/dead-letters'), 'DeadLetters'),
    page('/runners', () => import('./pages/runners'), 'Runners'),
    page('/supervision', () => import('./pages/supervision'), 'Supervision'),
    page('/users', () => import('./pages/users'), 'Users'),
    page('/tokens', () => import('./pages/tokens'), 'Tokens'),
    page('/audit', () => import('./pages/audit'), 'Audit', ['action', 'resource']),
    page('/settings', () => import('./pages/settings'), 'Settings'),
    page('/account', () => import('./pages/account'), 'Account'),
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  context: { queries },
  defaultPreload: 'intent',
  defaultErrorComponent: ({ error }) => <PageFault error={error} />,
  scrollRestoration: true,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
    const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
    return text === '' ? '' : `?${text}`;
  },
});

let leaving = false;

whenSignedOut(() => {
  if (leaving || window.location.pathname === '/sign-in') return;
  leaving = true;
  storedToken.clear();
  // What is shown stays until the other page is there: without what was read it would ask who is signed in, and fail.
  void router.navigate({ to: '/sign-in', search: { next: window.location.pathname + window.location.search } }).finally(() => {
    leaving = false;
    queries.clear();
  });
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
