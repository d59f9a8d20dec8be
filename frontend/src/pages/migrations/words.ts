import type { Migration } from "../../api/client"
import type { Health } from "../../components/status"

/** Whether it has come to its end. */
export function isOver(migration: Migration): boolean {
  return ["done", "error", "cancelled"].includes(migration.phase)
}

/** What is done to the bucket, in a word. */
export function kindOf(migration: Migration): string {
  switch (migration.kind) {
    case "back_fill":
      return "back-fill"
    case "adoption":
      return "end of a split"
    default:
      return "move"
  }
}

const PHASES: Record<string, [Health, string]> = {
  pending: ["idle", "waits for its turn"],
  copying: ["warn", "copying"],
  write_routing: ["warn", "holding writes"],
  verifying: ["warn", "comparing"],
  switching: ["warn", "switching"],
  done: ["good", "done"],
  error: ["bad", "failed"],
  cancelled: ["idle", "cancelled"],
}

/** How a migration fares, in a word. */
export function stateOf(migration: Migration): { health: Health; word: string } {
  if (migration.needs_adoption) return { health: "bad", word: "left by 0.4.x: decide" }
  if (!isOver(migration) && migration.cancelling) return { health: "warn", word: "being cancelled" }
  if (!isOver(migration) && migration.paused) return { health: "idle", word: "paused" }
  const [health, word] = PHASES[migration.phase] ?? ["idle", migration.phase]
  return { health, word }
}

/** How much is copied, in percent. */
export function percent(migration: Migration): number {
  if (migration.phase === "done") return 100
  const [done, total] =
    migration.bytes_total > 0
      ? [migration.bytes_done, migration.bytes_total]
      : [migration.objects_done, migration.objects_total]
  return total > 0 ? Math.min(100, (100 * done) / total) : 0
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]

/** A number of bytes as a person says it. */
export function bytes(count: number): string {
  let [value, unit] = [count, 0]
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** Seconds as a person says them. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`
}
