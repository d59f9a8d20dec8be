import { Button, Group, Stack, Text, Title } from "@mantine/core"
import { Link, useRouteError } from "react-router"

import { Problem } from "../api/problem"

/** A page that is not there. */
export function NotFound() {
  return (
    <Stack p="xl" align="flex-start" gap="sm">
      <Title order={1}>There is no such page</Title>
      <Text c="dimmed">It may have been moved or deleted.</Text>
      <Button component={Link} to="/" variant="default">
        Go to the dashboard
      </Button>
    </Stack>
  )
}

/** A page that broke, or whose files are those of another version. */
export function Lost() {
  const error = useRouteError()
  return (
    <Stack p="xl" align="flex-start" gap="sm">
      <Title order={1}>This page could not be shown</Title>
      <Text>If the orchestrator was updated meanwhile, loading the page again is enough.</Text>
      <Text c="dimmed" className="mono breakable">
        {Problem.from(error).message}
      </Text>
      <Group>
        <Button onClick={() => window.location.reload()}>Load again</Button>
        <Button variant="default" component="a" href="/">
          Go to the dashboard
        </Button>
      </Group>
    </Stack>
  )
}
