import { Stack } from "@mantine/core"

import type { MigrationCheck } from "../../api/client"
import type { Health } from "../../components/status"
import { Status } from "../../components/status"

const HEALTH: Record<string, Health> = { ok: "good", warning: "warn", failed: "bad" }

/** What was found before a migration. */
export function Checks({ checks }: { checks: readonly MigrationCheck[] }) {
  return (
    <Stack gap={6} className="panel" p="sm">
      {checks.map(check => (
        <Status key={check.name} health={HEALTH[check.outcome] ?? "idle"} title={check.outcome}>
          <span className="breakable">
            <strong>{check.name.replaceAll("_", " ")}</strong> {check.message}
          </span>
        </Status>
      ))}
    </Stack>
  )
}
