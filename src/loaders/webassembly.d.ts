/** Types that Node lacks: it leaves WebAssembly to the types of browsers, which this project does not use. */
declare namespace WebAssembly {
  /** @returns a compiled module, which this code only passes on */
  function compile(bytes: Uint8Array): Promise<object>;
  function instantiate(module: object, imports: object): Promise<object>;
}
