import type { IconName } from '../components/icons';
import type { Rights } from '../session/session';

/** A page of the navigation, and who sees it. */
export interface Place {
  to: '/' | '/jobs' | '/invocations' | '/test' | '/dead-letters' | '/runners' | '/supervision' | '/users' | '/tokens' | '/audit' | '/settings';
  title: string;
  icon: IconName;
  group: 'Functions' | 'Server' | 'Access';
  shown: (rights: Rights) => boolean;
}

export const PLACES: readonly Place[] = [
  { to: '/', title: 'Home', icon: 'home', group: 'Functions', shown: () => true },
  { to: '/jobs', title: 'Jobs', icon: 'jobs', group: 'Functions', shown: (r) => r.some('read', 'job', '*') || r.may('write', 'job', '-', 'publish') },
  { to: '/invocations', title: 'Invocations', icon: 'invocations', group: 'Functions', shown: (r) => r.some('read', 'job', '*', 'invocations') },
  { to: '/test', title: 'Test', icon: 'test', group: 'Functions', shown: (r) => r.some('write', 'job', '*', 'invocations') || r.some('write', 'job', '*', 'triggers', '*') },
  { to: '/dead-letters', title: 'Dead letters', icon: 'letters', group: 'Functions', shown: (r) => r.some('read', 'job', '*', 'dead-letters') },
  { to: '/runners', title: 'Runners', icon: 'runners', group: 'Server', shown: (r) => r.some('read', 'job', '*', 'runners', '*') },
  { to: '/supervision', title: 'Supervision', icon: 'tree', group: 'Server', shown: (r) => r.may('read', 'system', 'supervision') },
  { to: '/settings', title: 'Settings', icon: 'settings', group: 'Server', shown: (r) => r.may('read', 'system', 'config') },
  { to: '/users', title: 'Users', icon: 'users', group: 'Access', shown: (r) => r.some('read', 'user', '*') },
  { to: '/tokens', title: 'API tokens', icon: 'key', group: 'Access', shown: (r) => r.some('read', 'api-tokens', '*') },
  { to: '/audit', title: 'Audit log', icon: 'audit', group: 'Access', shown: (r) => r.may('read', 'system', 'audit') },
];
