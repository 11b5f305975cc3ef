/** The module for every loader except that of Python: it lives, fails when it is loaded, or fails when it runs. */
export async function modMain(handle, ...args) {
  if (args.includes("fail")) throw Object.assign(new Error("no track"), { errnum: 19 });
  handle.handle("echo", ({ payload }) => payload);
  handle.handle("never", () => undefined);
  handle.handle("throw", () => {
    throw new Error("derailed");
  });
  await handle.run();
}
