import * as tapeline from "/newer/browser.js";

Object.assign(globalThis, { tapeline });
