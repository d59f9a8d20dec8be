import type { Migration, MigrationLogLine } from "../../api/client"

export interface PhaseMark {
  phase: string
  title: string
  /** What it means for clients. */
  about: string
  state: "past" | "now" | "stopped" | "next"
  /** When it was entered, if the log still tells. */
  at: string | null
}

const WAY: readonly (readonly [phase: string, title: string, about: string])[] = [
  ["pending", "Waiting", "for its turn"],
  ["copying", "Copying", "clients read and write the source"],
  ["write_routing", "Holding writes", "reads go on"],
  ["verifying", "Comparing", "the last writes follow"],
  ["switching", "Switching", "held writes go to the destination"],
  ["done", "Done", "the destination serves"],
]

/** The way of a migration: what is behind it, where it is, and what is still to come. `log` is newest first. */
export function timeline(migration: Migration, log: readonly MigrationLogLine[]): PhaseMark[] {
  const entered = entries(log)
  entered.set("pending", migration.created_at)
  if (migration.phase === "done" && migration.finished_at !== null) entered.set("done", migration.finished_at)
  const here = WAY.findIndex(([phase]) => phase === migration.phase)
  // One that failed or was cancelled is nowhere on the way any more: the log tells how far it came.
  const reached = here >= 0 ? here : WAY.findLastIndex(([phase]) => entered.has(phase))
  const state = (index: number) => {
    if (index !== reached) return index < reached ? "past" : "next"
    if (migration.phase === "done") return "past"
    return here >= 0 ? "now" : "stopped"
  }
  const hold = migration.write_hold_ms
  return WAY.map(([phase, title, about], index) => ({
    phase,
    title,
    about: phase === "write_routing" && hold !== null ? `for ${hold} ms; reads went on` : about,
    state: state(index),
    at: index <= reached ? (entered.get(phase) ?? null) : null,
  }))
}

/** When each phase was entered last: a cut-over that was given up begins with copying again. */
function entries(log: readonly MigrationLogLine[]): Map<string, string> {
  const entered = new Map<string, string>()
  let before: string | null = null
  for (const line of log.toReversed()) {
    if (!WAY.some(([phase]) => phase === line.phase)) continue
    if (line.phase !== before) entered.set(line.phase, line.created_at)
    before = line.phase
  }
  return entered
}
