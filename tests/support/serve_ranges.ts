/** A `fetch` that answers every request with these bytes, in part where a range is asked for. */
export function serveRanges(bytes: Uint8Array<ArrayBuffer>): typeof fetch {
  return (_, init) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init?.headers).get("range") ?? "");
    const begin = Number(range?.[1] ?? 0);
    const end = range === null ? bytes.length : Number(range[2]) + 1;
    const headers = {
      ETag: '"local"',
      "Content-Range": `bytes ${begin}-${end - 1}/${bytes.length}`,
    };
    return Promise.resolve(new Response(bytes.slice(begin, end), { status: 206, headers }));
  };
}
