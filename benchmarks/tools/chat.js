import http from 'k6/http';
import { check } from 'k6';

const body = JSON.stringify({ model: 'any', max_tokens: 16, messages: [{ role: 'user', content: 'Which platform?' }] });

export const options = { vus: 8, duration: '10s' };
export default function () {
  const answer = http.post(`${__ENV.BASE}/v1/chat/completions`, body, { headers: { 'Content-Type': 'application/json' } });
  check(answer, { 'is 200': (each) => each.status === 200 });
}
