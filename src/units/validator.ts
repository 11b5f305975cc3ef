/** One error of a validator that ajv compiled. */
export interface ValidationError {
  /** JSON pointer to the value. */
  readonly instancePath: string;
  /** Only inside a choice, and for names of properties. */
  readonly schemaPath?: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A validator that ajv compiled from `schema/`: a type guard that keeps its errors. */
export interface Validator<T> {
  (data: unknown): data is T;
  errors?: readonly ValidationError[] | null;
}
