import type { Liveness } from "../api/events"
import classes from "./live.module.css"

const WORDS: Record<Liveness, [string, string]> = {
  live: ["Live", "Changes show as they happen"],
  polling: ["Polling", "Changes show within ten seconds: there is no event stream"],
  lost: ["Not connected", "The orchestrator does not answer. nginx goes on without it"],
}

/** How fresh the page is. */
export function Live({ liveness }: { liveness: Liveness }) {
  const [word, sentence] = WORDS[liveness]
  return (
    <span title={sentence} className={classes.live} data-liveness={liveness} role="status">
      <span className={classes.dot} aria-hidden />
      <span className={classes.word}>{word}</span>
    </span>
  )
}
