import { Stack, Text } from "@mantine/core"
import type { ReactNode } from "react"

/** Nothing is here: why, and what to do next. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Stack className="panel" align="center" gap="xs" px="md" py="xl" ta="center">
      <Text fw={600}>{title}</Text>
      {children !== undefined && (
        <Text c="dimmed" size="sm" maw="52ch">
          {children}
        </Text>
      )}
      {action}
    </Stack>
  )
}
