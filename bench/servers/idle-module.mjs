/** A module that does nothing. */
export const modMain = (handle) => handle.run();
