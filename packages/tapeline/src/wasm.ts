/** WebAssembly modules that lie beside the script, or are read by it. */

/** Starts a module from where to fetch it, or its bytes. `imports`: what it calls out here. */
export async function instantiate(
  source: URL | (() => Promise<BufferSource>),
  imports: WebAssembly.Imports = {},
): Promise<WebAssembly.Exports> {
  const { instance } = await (source instanceof URL
    ? download(source, imports)
    : WebAssembly.instantiate(await source(), imports));
  return instance.exports;
}

/** Compiles while it downloads, where the server says what it is. */
async function download(url: URL, imports: WebAssembly.Imports): Promise<WebAssembly.WebAssemblyInstantiatedSource> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}: serve that file beside the script`);
  if (response.headers.get("content-type") === "application/wasm")
    return WebAssembly.instantiateStreaming(response, imports);
  return WebAssembly.instantiate(await response.arrayBuffer(), imports);
}
