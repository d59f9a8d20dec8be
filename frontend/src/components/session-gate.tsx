import { lazy, Suspense, useSyncExternalStore } from "react"

import { session } from "../api/session"

const Login = lazy(() => import("./login"))

/** Asks for the key where the session has ended, and leaves the page under it as it is. */
export function SessionGate() {
  const over = useSyncExternalStore(session.subscribe, session.isOver)
  return <Suspense>{over && <Login />}</Suspense>
}
