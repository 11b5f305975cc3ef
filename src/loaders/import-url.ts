/**
 * Imports a file by its URL. In code that V8 was given compiled, `import()` does not work; there the build takes the
 * launcher's (ADR 5).
 */
export const importUrl = (url: string): Promise<unknown> => import(url);
