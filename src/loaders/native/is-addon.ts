/** Whether a file is a Node-API addon. A version may follow its suffix. */
export function isAddon(path: string): boolean {
  return /\.node(?:\.\d+)*$/.test(path);
}
