import { createBrowserRouter } from "react-router"

import { Shell } from "./components/shell"
import { Lost, NotFound } from "./components/lost"

/** Each page is a file of its own, loaded when it is first looked at. */
export const router = createBrowserRouter([
  {
    element: <Shell />,
    hydrateFallbackElement: <></>,
    errorElement: <Lost />,
    children: [
      { path: "/", lazy: () => import("./pages/dashboard") },
      { path: "/web/pools", lazy: () => import("./pages/pools") },
      { path: "/web/pools/:id", lazy: () => import("./pages/pools/detail") },
      { path: "/web/vhosts", lazy: () => import("./pages/vhosts") },
      { path: "/web/vhosts/:id", lazy: () => import("./pages/vhosts/detail") },
      { path: "/web/buckets", lazy: () => import("./pages/buckets") },
      { path: "/web/migrations", lazy: () => import("./pages/migrations") },
      { path: "/web/config", lazy: () => import("./pages/config") },
      { path: "/web/explain", lazy: () => import("./pages/explain") },
      { path: "/web/audit", lazy: () => import("./pages/audit") },
      { path: "/web/settings", lazy: () => import("./pages/settings") },
      { path: "*", element: <NotFound /> },
    ],
  },
])
