import { Link } from '@tanstack/react-router';
import { Empty } from '../components/basics';

export function NotFound() {
  return <main id="main"><Empty title="There is no such page" action={<Link to="/" className="btn">Home</Link>}>The address may be of an older panel.</Empty></main>;
}
