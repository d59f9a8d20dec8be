import "./theme/styles"

import { MantineProvider } from "@mantine/core"
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { setNonce } from "get-nonce"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { RouterProvider } from "react-router/dom"

import { Problem } from "./api/problem"
import { watchCovers } from "./components/covers"
import { SessionGate } from "./components/session-gate"
import { Toasts } from "./components/toasts"
import { router } from "./router"
import { readable, theme } from "./theme/theme"

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // What the orchestrator says is final; only silence is worth another try.
      retry: (count, error) => Problem.from(error).status === 0 && count < 2,
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
})

/** The nonce of this very answer: styles that are made while the page runs bear it, as the policy demands. */
const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? ""

// What keeps the page behind a dialog from scrolling makes such a style too.
setNonce(nonce)

watchCovers()

const root = document.getElementById("root")
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={readable}
        defaultColorScheme="auto"
        getStyleNonce={() => nonce}
      >
        <QueryClientProvider client={client}>
          <Toasts />
          <SessionGate />
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
}
