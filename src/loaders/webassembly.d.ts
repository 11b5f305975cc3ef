/** Types that Node lacks: it leaves WebAssembly to the types of browsers, which this project does not use. */
declare namespace WebAssembly {
  /** @returns a compiled module, of which nothing is asked */
  function compile(bytes: Uint8Array): Promise<object>;
  function instantiate(module: object, imports: object): Promise<object>;
}
