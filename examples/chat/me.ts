/** Who this is: a made-up name, the same on this device from then on. */

import { useState } from "react";
import { newId } from "tapeline";
import { madeUpName } from "../shared/names.js";

export interface Me {
  readonly id: string;
  readonly name: string;
}

const KEY = "chat: me";

export function useMe(): Me {
  const [me] = useState(() => {
    const kept = localStorage.getItem(KEY);
    const me: Me = kept ? JSON.parse(kept) : { id: newId(), name: madeUpName() };
    localStorage.setItem(KEY, JSON.stringify(me));
    return me;
  });
  return me;
}
