/** Names for people who did not say theirs. */

/** First names, with their hues. */
const hues: Record<string, number> = {
  Amber: 42,
  Coral: 8,
  Jade: 152,
  Indigo: 245,
  Olive: 75,
  Plum: 305,
  Rust: 22,
  Teal: 182,
};
const animals = ["Badger", "Crane", "Fox", "Heron", "Lynx", "Otter", "Raven", "Stoat"];
const one = (of: string[]) => of[Math.floor(Math.random() * of.length)];

/** A name, made up. */
export function madeUpName(): string {
  return `${one(Object.keys(hues))} ${one(animals)}`;
}

/** The hue that goes with a name. */
export function hueOfName(name: string): number {
  return hues[name.split(" ")[0] ?? ""] ?? 0;
}
