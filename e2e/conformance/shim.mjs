// Adds `Authorization: Bearer $TOKEN` to every request and passes everything else through byte for byte: the suite has
// no option for a token, and a proxy that tidies headers up would hide what is being measured (Host, Origin, header
// case, white space, the pace of server-sent events).
//
//   TOKEN=… node shim.mjs http://127.0.0.1:7420/mcp/ref      listens on a free loopback port and prints its URL
//
// The path of the target replaces the one that was asked for. Without TOKEN no header is added.
import net from 'node:net';

const MAX_HEAD_BYTES = 64 * 1024;
const target = new URL(process.argv[2] ?? '');
const token = process.env.TOKEN;

// The head of a request as it goes on, and how many bytes of body follow it.
function rewrite(head) {
  const [requestLine, ...fields] = head.split('\r\n');
  const [method, , version] = requestLine.split(' ');
  const field = (name) => fields.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim();
  if (field('transfer-encoding') !== undefined) throw new Error('a chunked request body');
  const lines = [`${method} ${target.pathname} ${version}`, ...(token ? [`Authorization: Bearer ${token}`] : []), ...fields];
  return { head: `${lines.join('\r\n')}\r\n\r\n`, body: Number(field('content-length') ?? 0) };
}

async function forward(client, upstream) {
  let buffer = Buffer.alloc(0);
  let body = 0;
  for await (const chunk of client) {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      if (body > 0) {
        const part = buffer.subarray(0, body);
        buffer = buffer.subarray(part.length);
        body -= part.length;
        if (part.length > 0) upstream.write(part);
        if (body > 0) break;
      }
      const end = buffer.indexOf('\r\n\r\n');
      if (end < 0) {
        if (buffer.length > MAX_HEAD_BYTES) throw new Error('a request head beyond 64 KiB');
        break;
      }
      const next = rewrite(buffer.subarray(0, end).toString('latin1'));
      buffer = buffer.subarray(end + 4);
      body = next.body;
      upstream.write(Buffer.from(next.head, 'latin1'));
    }
  }
  upstream.end();
}

const server = net.createServer((client) => {
  const upstream = net.connect(Number(target.port || 80), target.hostname);
  client.setNoDelay(true);
  upstream.setNoDelay(true);
  upstream.pipe(client);
  const drop = (error) => {
    if (error && error.code !== 'ECONNRESET' && error.code !== 'EPIPE') console.error(`shim: ${error.message ?? error}`);
    client.destroy();
    upstream.destroy();
  };
  client.on('error', drop).on('close', () => upstream.destroy());
  upstream.on('error', drop).on('close', () => client.end());
  forward(client, upstream).catch(drop);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}${new URL(target).pathname}`));
