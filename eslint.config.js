import js from "@eslint/js";
import tseslint from "typescript-eslint";

const NO_DEFAULT_EXPORT = { selector: "ExportDefaultDeclaration", message: "Named exports only." };

export default tseslint.config(
  {
    ignores: [
      "dist",
      "coverage",
      "node_modules",
      "src/units/generated",
      "src/libraries/generated",
      "test/fixtures",
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["*.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/unified-signatures": "off",
      "no-empty": ["error", { allowEmptyCatch: false }],
      "no-restricted-syntax": ["error", NO_DEFAULT_EXPORT],
      eqeqeq: "error",
    },
  },
  {
    files: ["src/**"],
    ignores: ["src/processes/**"],
    rules: {
      "no-console": "error",
      "no-restricted-syntax": [
        "error",
        NO_DEFAULT_EXPORT,
        {
          selector:
            "CallExpression[callee.name=/^set(Timeout|Interval)$/]:not([arguments.1.type='Literal']):not([arguments.1.name=/^[A-Z_]+$/]):not([arguments.1.callee.property.name='min'])",
          message: "Node's timers are due at once after more than 24.8 days: startTimer takes any delay.",
        },
        {
          selector:
            "CallExpression[callee.object.name='process'][callee.property.name='kill'][arguments.0.type!='MemberExpression']",
          message: "Signals are sent by src/processes, which knows what EPERM means.",
        },
      ],
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          name: "node:child_process",
          allowTypeImports: true,
          message: "Processes are started by startProcess, which handles what can go wrong and marks them.",
        },
        {
          name: "node:worker_threads",
          importNames: ["Worker"],
          allowTypeImports: true,
          message: "Threads are started by startThread.",
        },
        {
          name: "node:timers/promises",
          importNames: ["setTimeout", "setInterval"],
          message: "sleep() takes any delay.",
        },
      ],
    },
  },
  { files: ["src/processes/**"], rules: { "no-console": "error" } },
  { files: ["**/*.js", "**/*.mjs", "**/*.cjs"], ...tseslint.configs.disableTypeChecked },
  {
    files: ["**/*.js", "**/*.mjs", "**/*.cjs"],
    languageOptions: {
      globals: {
        Buffer: "readonly",
        process: "readonly",
        console: "readonly",
        URL: "readonly",
        AbortController: "readonly",
        structuredClone: "readonly",
        performance: "readonly",
      },
    },
  },
  {
    files: ["**/*.cjs"],
    languageOptions: {
      sourceType: "commonjs",
      globals: {
        module: "writable",
        require: "readonly",
        exports: "readonly",
        __dirname: "readonly",
        __filename: "readonly",
      },
    },
    rules: { "@typescript-eslint/no-require-imports": "off" },
  },
  { files: ["*.config.*", "eslint.config.js"], rules: { "no-restricted-syntax": "off" } },
);
