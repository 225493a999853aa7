import { Icon } from "./icon.js";

/** A cross: away with it. */
export function Cross() {
  return (
    <Icon>
      <path d="m4 4 8 8M12 4l-8 8" />
    </Icon>
  );
}
