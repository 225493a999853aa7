import * as tapeline from "/tapeline/browser.js";

Object.assign(globalThis, { tapeline, loadChecks: () => import("/tapeline/checks.js") });
