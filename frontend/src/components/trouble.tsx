import { Alert, Button, Group } from "@mantine/core"
import { IconAlertTriangle } from "@tabler/icons-react"

import { Problem } from "../api/problem"
import classes from "./trouble.module.css"

interface Props {
  /** What went wrong; nothing is shown without. */
  error: unknown
  title?: string
  /** The names of fields beside which their own message is shown. */
  beside?: readonly string[]
  onRetry?: () => void
}

/** What went wrong, in the orchestrator's or nginx's own words. */
export function Trouble({ error, title = "That did not work", beside = [], onRetry }: Props) {
  if (error === null || error === undefined) return null
  const message = Problem.from(error).besides(beside)
  if (message === null) return null
  return (
    <Alert color="red" variant="light" title={title} icon={<IconAlertTriangle />} role="alert">
      <pre className={classes.words}>{message}</pre>
      {onRetry !== undefined && (
        <Group mt="xs">
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        </Group>
      )}
    </Alert>
  )
}
