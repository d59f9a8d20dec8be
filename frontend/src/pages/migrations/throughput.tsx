import { Group, Stack, Text } from "@mantine/core"

import type { Migration } from "../../api/client"
import { plot, usePace } from "./pace"
import classes from "./throughput.module.css"
import { bytes, duration } from "./words"

/** How fast a migration has copied since the page shows it. */
export function Throughput({ migration }: { migration: Migration }) {
  const samples = usePace(migration.id)
  const chart = plot(samples)
  if (chart === null) return null
  const last = samples.at(-1)?.bytesPerSecond ?? 0
  const told = `Throughput of the last ${duration(chart.seconds)}: at most ${bytes(chart.most)}/s, last ${bytes(last)}/s`
  return (
    <Stack gap={2}>
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          Throughput
        </Text>
        <Text size="xs" c="dimmed">
          {bytes(chart.most)}/s at most
        </Text>
      </Group>
      <svg className={classes.chart} viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label={told}>
        <path className={classes.area} d={chart.area} />
        <path className={classes.line} d={chart.line} vectorEffect="non-scaling-stroke" />
      </svg>
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          {duration(chart.seconds)} ago
        </Text>
        <Text size="xs" c="dimmed">
          now {bytes(last)}/s
        </Text>
      </Group>
    </Stack>
  )
}
