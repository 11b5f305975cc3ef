/** A module that returns its payload. */
export async function modMain(handle) {
  handle.handle("echo", ({ payload }) => payload);
  await handle.run();
}
