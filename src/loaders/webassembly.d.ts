/** What the types of Node lack: they leave WebAssembly to those of browsers, of which nothing else exists here. */
declare namespace WebAssembly {
  /** @returns a compiled module, of which nothing is asked */
  function compile(bytes: Uint8Array): Promise<object>;
  function instantiate(module: object, imports: object): Promise<object>;
}
