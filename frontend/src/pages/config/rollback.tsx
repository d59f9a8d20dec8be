import { Checkbox, Stack, Text } from "@mantine/core"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"

import { api, body } from "../../api/client"
import { queries } from "../../api/queries"
import { Confirm } from "../../components/confirm"
import { Dialog } from "../../components/dialog"
import { Placeholder } from "../../components/page"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { Plan } from "./plan"

/** Makes the gateway what it was after a revision, as a change of its own; first shows what that would be. */
export function Rollback({ number, onClose }: { number: number; onClose: () => void }) {
  const client = useQueryClient()
  const [partial, setPartial] = useState(false)
  const { data, error, isPlaceholderData } = useQuery(queries.rollback(number, partial))
  const plan = data?.planned
  if (plan === undefined || plan === null) {
    return (
      <Dialog opened onClose={onClose} title={`Back to revision ${number}`}>
        <Trouble error={error} title="There is no way back to it" />
        {error === null && <Placeholder />}
      </Dialog>
    )
  }
  return (
    <Confirm
      opened
      onClose={onClose}
      size="90rem"
      title={`Back to revision ${number}`}
      changes
      verb="Make it so again"
      prevented={isPlaceholderData || !plan.changed || !plan.applicable}
      act={async () => {
        const params = { path: { number }, query: { partial, expect: plan.state } }
        await body(api.POST("/api/config/revisions/{number}/rollback", { params }))
        await client.invalidateQueries()
        done(`The gateway is what it was after revision ${number}; nginx runs it after a reload.`)
      }}
    >
      <Stack>
        <Text size="sm">
          Everything that was changed since is undone in one change, which has a place in the history itself. If nginx
          refuses, or if somebody else changes something first, nothing is done.
        </Text>
        {(plan.needs_migration.length > 0 || partial) && (
          <Checkbox
            label="Leave out what needs a migration"
            checked={partial}
            onChange={event => setPartial(event.currentTarget.checked)}
          />
        )}
        <Plan plan={plan} unchanged={`The gateway is what it was after revision ${number}`} />
      </Stack>
    </Confirm>
  )
}
