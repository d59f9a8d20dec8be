import { createBrowserRouter } from "react-router"

import { Shell } from "./components/shell"
import { Lost, NotFound } from "./components/lost"

/** Each page is a file of its own, loaded when it is first looked at. */
export const router = createBrowserRouter([
  {
    element: <Shell />,
    errorElement: <Lost />,
    children: [
      { path: "/", lazy: () => import("./pages/dashboard") },
      { path: "/web/pools", lazy: () => import("./pages/pools") },
      { path: "/web/pools/:id", lazy: () => import("./pages/pools/detail") },
      { path: "*", element: <NotFound /> },
    ],
  },
])
