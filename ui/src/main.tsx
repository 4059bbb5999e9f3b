import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { applyTheme } from './components/theme';
import { Toasts } from './components/toasts';
import { queries, router } from './router';
import { loadAgainWhenStale } from './shell/stale';
import './styles/tokens.css';
import './styles/base.css';
import './styles/components.css';

applyTheme();
loadAgainWhenStale();
const place = document.getElementById('root');
if (place === null) throw new Error('the page has no element to be shown in');
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
      <Toasts />
    </QueryClientProvider>
  </StrictMode>,
);
