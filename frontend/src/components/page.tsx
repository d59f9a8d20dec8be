import { Anchor, Group, Skeleton, Stack, Text, Title } from "@mantine/core"
import { IconChevronLeft } from "@tabler/icons-react"
import type { ReactNode } from "react"
import { useEffect } from "react"
import { Link } from "react-router"

interface Props {
  title: string
  /** Beside the title: what it is, in one glance. */
  marks?: ReactNode
  about?: ReactNode
  actions?: ReactNode
  back?: { to: string; label: string }
  children: ReactNode
}

/** A page: its title, what can be done, and the rest. */
export function Page({ title, marks, about, actions, back, children }: Props) {
  useEffect(() => {
    document.title = `${title} · nanio-orchestrator`
  }, [title])
  return (
    <Stack gap="lg">
      <Stack gap={4}>
        {back !== undefined && (
          <Anchor component={Link} to={back.to} size="sm">
            <Group gap={2}>
              <IconChevronLeft size={15} />
              {back.label}
            </Group>
          </Anchor>
        )}
        <Group justify="space-between" align="center" gap="sm">
          <Group gap="sm" align="center">
            <Title order={1} className="breakable">
              {title}
            </Title>
            {marks}
          </Group>
          <Group gap="xs">{actions}</Group>
        </Group>
        {about !== undefined && (
          <Text component="div" c="dimmed" size="sm" maw="80ch" className="breakable">
            {about}
          </Text>
        )}
      </Stack>
      {children}
    </Stack>
  )
}

/** A part of a page. */
export function Section({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <Stack component="section" gap="xs">
      <Group justify="space-between" mih={30}>
        <Title order={2}>{title}</Title>
        <Group gap="xs">{actions}</Group>
      </Group>
      {children}
    </Stack>
  )
}

/** Holds the place of what is being read, in its size. */
export function Placeholder({ rows = 4, height = 40 }: { rows?: number; height?: number }) {
  return (
    <Stack gap={1} className="panel" p="sm" aria-busy aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={height - 12} my={6} />
      ))}
    </Stack>
  )
}
