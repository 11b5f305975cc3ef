/** A module that gives back what it gets. */
export async function modMain(handle) {
  handle.handle("echo", ({ payload }) => payload);
  await handle.run();
}
