/** A value that rests: what is typed is not asked for letter by letter. */

import { useEffect, useState } from "react";

/** The value as it was when it last did not change for so many milliseconds. */
export function useSettled<T>(value: T, pause: number): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), pause);
    return () => clearTimeout(timer);
  }, [value, pause]);
  return settled;
}
