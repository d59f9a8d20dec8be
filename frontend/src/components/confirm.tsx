import { Button, Checkbox, Group, Stack, Text } from "@mantine/core"
import { useMutation } from "@tanstack/react-query"
import type { ReactNode } from "react"
import { useState } from "react"

import { because } from "../api/reason"
import type { Insisted } from "../forms/insist"
import { askedFor, YES } from "../forms/insist"
import { Dialog } from "./dialog"
import { Trouble } from "./trouble"
import { Why } from "./why"

interface Props {
  opened: boolean
  onClose: () => void
  title: string
  /** What will be so afterwards. */
  children: ReactNode
  /** The verb on the button. */
  verb: string
  harmless?: boolean
  /** Why it cannot be done now. */
  prevented?: boolean
  /** Whether it changes what nginx is to do, so that there is a history of it. */
  changes?: boolean
  size?: string
  /** Does it; with what the operator insists on after a refusal. */
  act: (insisted: Insisted | null) => Promise<unknown>
}

/** Asks before something is done that cannot be undone by a click. A refusal is shown here. */
export function Confirm(props: Props) {
  const {
    opened,
    onClose,
    title,
    children,
    verb,
    harmless = false,
    prevented = false,
    changes = false,
    size,
    act,
  } = props
  const [insisted, setInsisted] = useState<Insisted | null>(null)
  const [why, setWhy] = useState("")
  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: () => because(why, () => act(insisted)),
    onSuccess: () => {
      close()
    },
  })
  const close = () => {
    reset()
    setInsisted(null)
    setWhy("")
    onClose()
  }
  const asked = insisted ?? askedFor(error)
  return (
    <Dialog opened={opened} onClose={close} title={title} {...(size === undefined ? {} : { size })}>
      <Stack>
        <Text component="div" size="sm">
          {children}
        </Text>
        <Trouble error={error} />
        {asked !== null && (
          <Checkbox
            color="red"
            label={YES[asked]}
            checked={insisted === asked}
            onChange={event => setInsisted(event.currentTarget.checked ? asked : null)}
          />
        )}
        {changes && <Why why={why} onChange={setWhy} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            Cancel
          </Button>
          <Button
            {...(harmless ? {} : { color: "red" })}
            loading={isPending}
            disabled={prevented}
            onClick={() => mutate()}
          >
            {verb}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
