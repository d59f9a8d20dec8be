import { CloseButton } from "@mantine/core"
import { useSyncExternalStore } from "react"

import { dismiss, said } from "./toast"
import classes from "./toasts.module.css"

/** What was done a moment ago, in a corner; also said to those who cannot see it. */
export function Toasts() {
  const toasts = useSyncExternalStore(said.subscribe, said.now)
  return (
    <div className={classes.corner} role="status">
      {toasts.map(({ id, title, message, good }) => (
        <div key={id} className={classes.toast} data-good={good || undefined}>
          <div className={classes.words}>
            {title !== null && <strong>{title}</strong>}
            <span>{message}</span>
          </div>
          <CloseButton size="sm" aria-label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  )
}
