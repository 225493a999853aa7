/** Who is signed in on this device. A demonstration: whoever says a name gets a token for it, which a real app would not give. */

import type { Tapeline } from "tapeline";
import { open } from "../shared/open.js";

export const PEOPLE = ["Ana", "Ben", "Vera"] as const;

const KEY = "lists: signed in as";

/** The name of whoever is signed in. */
export function me(): string | undefined {
  return localStorage.getItem(KEY) ?? undefined;
}

/** Signs somebody in, or out, on this device. */
export function signIn(name: string | undefined): void {
  if (name) localStorage.setItem(KEY, name);
  else localStorage.removeItem(KEY);
  location.reload();
}

/** Opens what belongs to somebody: nobody else on this device sees or sends it. */
export function openFor(name: string): Promise<Tapeline> {
  return open("lists", { subject: name, token: () => tokenOf(name) });
}

async function tokenOf(name: string): Promise<string> {
  const answer = await fetch(`/lists/token/${encodeURIComponent(name)}`);
  if (!answer.ok) throw new Error(`nobody signs ${name} in`);
  return answer.text();
}
