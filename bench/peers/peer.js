// The peer in Node: child_process. See peers.go for the protocol.
'use strict';
const { spawn } = require('child_process');
const readline = require('readline');
const now = process.hrtime.bigint;

function inherit(path) {
  return new Promise((resolve, reject) => {
    const child = spawn(path, { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error('child failed'))));
  });
}

function capture(path) {
  return new Promise((resolve, reject) => {
    const child = spawn(path, { stdio: ['inherit', 'pipe', 'inherit'] });
    let got = 0;
    child.stdout.on('data', (chunk) => { got += chunk.length; });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 && got > 0 ? resolve() : reject(new Error('child failed'))));
  });
}

async function run(kind, path, n) {
  const once = kind === 'capture' ? capture : inherit;
  const took = [];
  const begin = now();
  for (let i = 0; i < n; i++) {
    const t = now();
    await once(path);
    took.push(now() - t);
  }
  return ['ok', now() - begin, ...took].join('\t');
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [, , kind, path, n] = line.split('\t');
    let reply;
    try {
      reply = await run(kind, path, Number(n));
    } catch (e) {
      reply = 'error\t' + e.message;
    }
    process.stdout.write(reply + '\n');
  }
}

main();
