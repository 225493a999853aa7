// Runs a wasm test binary under Node, as cargo's runner: wasm-runner.mjs FILE ARGS…
//
// wasm32-wasip1 gets WASI, so that the harness can print its report. wasm32-unknown-unknown gets nothing at all: no
// import is allowed, a look at the clock or a new thread traps, and the harness is mute.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { WASI } from "node:wasi";

const [file, ...args] = process.argv.slice(2);
const name = basename(file, ".wasm");
const module = await WebAssembly.compile(await readFile(file));
Error.stackTraceLimit = 50;
process.exitCode = await (file.includes("/wasm32-unknown-unknown/") ? runBare() : runWasi());

async function runBare() {
  const imports = WebAssembly.Module.imports(module).map((it) => `${it.module}.${it.name}`);
  if (imports.length > 0) return failed(`asks its host for ${imports.join(", ")}`);
  const { exports } = await WebAssembly.instantiate(module, {});
  const code = run(() => exports.main(0, 0), panicSite);
  if (code === 0) console.log(`${name}: imports nothing and ran to its end without clock, threads or host`);
  return code;
}

async function runWasi() {
  const wasi = new WASI({ version: "preview1", args: [name, ...args], env: {}, returnOnExit: true });
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  return run(
    () => wasi.start(instance),
    () => "",
  );
}

function run(main, explain) {
  try {
    return main();
  } catch (trap) {
    return failed(`trapped${explain(trap)}`);
  }
}

// A panic is a trap. The bare harness cannot say where, but the frames between the panic and the harness do.
function panicSite(trap) {
  const frames = trap.stack.split("\n").map((line) => line.match(/\.wasm\.(\S+)/)?.[1] ?? "");
  const begin = frames.findLastIndex((frame) => frame.includes("panicking")) + 1;
  const end = frames.findIndex((frame, at) => at >= begin && frame.includes("short_backtrace"));
  return [" in", ...frames.slice(begin, end)].join("\n    ");
}

function failed(why) {
  console.error(`${name}: ${why}`);
  return 1;
}
