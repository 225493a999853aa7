// Numbers and lengths as WebAssembly modules have them, for the scripts that look into one.

/** Bytes with their length before them. */
export function sized(bytes) {
  return Buffer.concat([number(bytes.length), bytes]);
}

/** A number as WebAssembly has it: seven bits a byte, the lowest first. */
export function number(value) {
  return value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value % 128) + 128]), number(value >>> 7)]);
}

/** The number at a place of a module, and the place after it. */
export function readNumber(module, at) {
  const byte = module[at];
  if (byte < 128) return [byte, at + 1];
  const [rest, after] = readNumber(module, at + 1);
  return [byte - 128 + rest * 128, after];
}
