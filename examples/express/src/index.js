// An Express app. Nothing in it knows of Jobber; `listener` makes of it what Jobber calls.

import { pipeline } from 'node:stream/promises';
import express from 'express';
import { listener } from './listener.js';

const app = express();
const router = express.Router();

// The adapter is the only one that connects, and says who the client is.
app.set('trust proxy', true);
app.disable('x-powered-by');
app.use(express.json());
app.use('/express', router);

router.get('/', (req, res) => {
  res.json({ hello: process.env.NAME ?? 'world', ip: req.ip });
});

router.get('/users/:id', (req, res) => {
  res.cookie('seen', req.params.id).cookie('theme', 'dark');
  res.status(200).json({ id: req.params.id, query: req.query });
});

router.post('/sum', (req, res) => {
  const numbers = req.body?.numbers;
  if (!Array.isArray(numbers)) return res.status(400).json({ error: 'numbers must be a list' });
  return res.json({ sum: numbers.reduce((sum, number) => sum + Number(number), 0) });
});

// Sends back what comes, while it comes.
router.put('/echo', async (req, res) => {
  res.type(req.get('content-type') ?? 'application/octet-stream');
  await pipeline(req, res);
});

export default listener(app);
