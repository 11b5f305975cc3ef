/**
 * Imports a file by its URL. In code that V8 got in compiled form, `import()` does not work. There the build takes
 * the launcher's (ADR 5).
 */
export const importUrl = (url: string): Promise<unknown> => import(url);
