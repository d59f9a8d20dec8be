import hooks from "eslint-plugin-react-hooks"
import typescript from "typescript-eslint"

export default typescript.config(
  { ignores: ["dist", "src/api/schema.d.ts", "test-results", "playwright-report"] },
  typescript.configs.strict,
  { files: ["src/**"], ...hooks.configs.flat["recommended-latest"] },
  {
    files: ["src/**"],
    rules: {
      // It warns of what the React compiler leaves alone; there is no compiler here.
      "react-hooks/incompatible-library": "off",
      "@typescript-eslint/no-non-null-assertion": "error",
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: "Whatever is shown may come from a storage node or from a file: show it as text.",
        },
      ],
    },
  },
)
