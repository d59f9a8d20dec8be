import { Progress, Stack, Text } from "@mantine/core"

import type { Migration } from "../../api/client"
import { bytes, duration, percent } from "./words"

/** How far it is, at what pace. */
export function MigrationProgress({ migration }: { migration: Migration }) {
  const pace = [
    `${migration.objects_done.toLocaleString("en")} of ${migration.objects_total.toLocaleString("en")} objects`,
    `${bytes(migration.bytes_done)} of ${bytes(migration.bytes_total)}`,
    migration.bytes_per_second === null ? null : `${bytes(migration.bytes_per_second)}/s`,
    migration.eta_seconds === null ? null : `about ${duration(migration.eta_seconds)} left`,
  ]
  return (
    <Stack gap={2} miw={140}>
      <Progress value={percent(migration)} size="sm" aria-label={`Progress of migration ${migration.id}`} />
      <Text size="xs" c="dimmed">
        {pace.filter(Boolean).join(" · ")}
      </Text>
    </Stack>
  )
}
