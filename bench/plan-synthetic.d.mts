export interface SyntheticRelations {
  readonly requires: readonly number[];
  readonly after: readonly number[];
  readonly needs: readonly number[];
}
export function syntheticRelations(moduleCount: number, seed?: number): SyntheticRelations[];
export function moduleName(number: number): string;
export function syntheticRoots(moduleCount: number): string[];
export function syntheticToml(
  moduleCount: number,
  options?: { readonly seed?: number; readonly wildcards?: number },
): string;
export function chainToml(moduleCount: number): string;
