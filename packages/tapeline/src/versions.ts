/** What two versions of an app, open at once, must agree on. A newer one makes the older step aside. */

/** The format of what is stored on the device and said between tabs. */
export const VERSION = 4;
