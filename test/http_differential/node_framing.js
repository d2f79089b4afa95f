// How node (llhttp) reads streams of bytes: each case is one connection, injected into an HTTP server without a
// socket. stdin: a JSON array of base64 texts. stdout: a line of JSON a case, [messages, refused].
'use strict';
const http = require('http');
const { Duplex } = require('stream');

function read(bytes) {
  return new Promise((resolve) => {
    const messages = [];
    let refused = false;
    const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
    const connection = new Duplex({ read() {}, write(chunk, encoding, done) { done(); } });
    server.on('request', (request, response) => {
      const m = { method: request.method, target: request.url, minor: request.httpVersionMinor,
        fields: request.rawHeaders.map((text) => Buffer.from(text, 'latin1').toString('hex')), body: '', whole: false };
      messages.push(m);
      request.on('data', (chunk) => { m.body += chunk.toString('hex'); });
      request.on('end', () => { m.whole = true; response.end(); });
      request.on('error', () => {});
      response.on('error', () => {});
    });
    server.on('checkExpectation', (request, response) => server.emit('request', request, response));
    server.on('clientError', (error, socket) => { refused = String(error.code); });
    connection.on('error', () => {});
    connection.setTimeout = () => connection;
    server.emit('connection', connection);
    if (bytes.length)
      connection.push(bytes);
    // Let it read and answer all there is, then end the stream, then look.
    let turns = 0;
    const turn = () => {
      if (++turns === 12 && !connection.destroyed)
        connection.push(null);
      if (turns < 18) {
        setImmediate(turn);
      } else {
        connection.destroy();
        resolve([messages, refused]);
      }
    };
    setImmediate(turn);
  });
}

(async () => {
  const input = [];
  for await (const chunk of process.stdin)
    input.push(chunk);
  for (const text of JSON.parse(Buffer.concat(input).toString()))
    process.stdout.write(JSON.stringify(await read(Buffer.from(text, 'base64'))) + '\n');
})();
