import type { HttpTrigger } from '../../api/models';
import { quoted } from '../../components/format';
import { useIdentity } from '../../session/session';

/** Where functions answer: as the operator says, or the gateway's port on the host of the panel. */
export function useGateway(): string {
  const { gateway } = useIdentity();
  return gateway.url ?? `http://${window.location.hostname}:${gateway.port}`;
}

/** The address of a route, or its pattern where that is no address. */
export function address(gateway: string, trigger: HttpTrigger): string {
  const base = trigger.hostname ? gateway.replace(/\/\/[^:/]+/, `//${trigger.hostname}`) : gateway;
  return `${base}${trigger.path ?? ''}`;
}

/** A command that calls the route. Parameters stay as they are, to be filled in. */
export function curl(gateway: string, trigger: HttpTrigger): string {
  const method = trigger.method ?? 'GET';
  const parts = ['curl'];
  if (method !== 'GET') parts.push('-X', method);
  if (['POST', 'PUT', 'PATCH'].includes(method)) parts.push('-H', "'Content-Type: application/json'", '-d', "'{}'");
  parts.push(quoted(address(gateway, trigger)));
  return parts.join(' ');
}
