import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** The server whose API the development and preview servers pass on. */
const server = process.env.JOBBER_URL ?? 'http://127.0.0.1:3000';
const port = Number(process.env.JOBBER_UI_PORT ?? 5173);
const proxy = {
  '/api': { target: server },
  '/healthz': { target: server },
  '/readyz': { target: server },
};

/** What the server says with the panel; `vite preview` says the same, so that tests notice what it forbids. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export default defineConfig({
  plugins: [react()],
  build: { outDir: 'dist/panel', target: 'es2022', sourcemap: false, assetsInlineLimit: 0, manifest: true },
  server: { host: '127.0.0.1', port, strictPort: true, proxy },
  preview: {
    host: '127.0.0.1',
    port,
    strictPort: true,
    proxy,
    headers: { 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' },
  },
});
