import { readFile, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"

import react from "@vitejs/plugin-react"
import type { Plugin } from "vite"
import { defineConfig } from "vitest/config"

/** Small files beside each large one: the program serves them as they are. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle(options) {
      const directory = join(options.dir ?? "dist", "static")
      for (const name of await readdir(directory)) {
        const path = join(directory, name)
        const bytes = await readFile(path)
        const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY }
        await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params: quality }))
        await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }))
      }
    },
  }
}

export default defineConfig({
  plugins: [react(), compressed()],
  // The server puts a new nonce in its place with each answer.
  html: { cspNonce: "__NONCE__" },
  build: {
    assetsDir: "static",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: {
    // `npm run dev` beside `make run`: the page from here, everything else from the program.
    proxy: { "^/(api|login|logout)": { target: "http://localhost:8080", changeOrigin: false } },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"] },
})
