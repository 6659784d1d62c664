// The strictest set of rules that typescript-eslint has; generated code passes it without exceptions.
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["out/**", "eslint.config.js"] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
  },
);
