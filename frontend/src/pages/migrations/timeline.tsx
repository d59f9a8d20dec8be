import type { Migration, MigrationLogLine } from "../../api/client"
import { Time } from "../../components/time"
import type { PhaseMark } from "./phases"
import { timeline } from "./phases"
import classes from "./timeline.module.css"

const SAID: Record<PhaseMark["state"], string> = {
  past: "behind it",
  now: "now",
  stopped: "ended here",
  next: "to come",
}

/** From asked for to done, with the time of each step. */
export function Timeline({ migration, log }: { migration: Migration; log: readonly MigrationLogLine[] }) {
  return (
    <ol className={classes.way} aria-label="Phases">
      {timeline(migration, log).map(mark => (
        <li
          key={mark.phase}
          className={classes.mark}
          data-state={mark.state}
          aria-current={mark.state === "now" ? "step" : undefined}
        >
          <span className={classes.title}>
            {mark.title}
            <span className={classes.unseen}>, {SAID[mark.state]}</span>
          </span>
          <span className={classes.about}>{mark.about}</span>
          {mark.at !== null && (
            <span className={classes.about}>
              <Time at={mark.at} clock />
            </span>
          )}
        </li>
      ))}
    </ol>
  )
}
