import type { ReactNode } from "react"

import classes from "./status.module.css"

export type Health = "good" | "bad" | "warn" | "idle"

/** How something fares: a dot and a word, so that nobody has to tell colours apart. */
export function Status({ health, children, title }: { health: Health; children: ReactNode; title?: string }) {
  return (
    <span className={classes.status} title={title}>
      <span className={classes.dot} data-health={health} aria-hidden />
      <span>{children}</span>
    </span>
  )
}
