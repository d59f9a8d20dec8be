import { Button, PasswordInput, Stack, Text } from "@mantine/core"
import type { FormEvent } from "react"
import { useState } from "react"

import { session } from "../api/session"
import { Dialog } from "./dialog"

/** Asks for the key, over whatever was being done. */
export default function Login() {
  const [key, setKey] = useState("")
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    const refused = await session.logIn(key).catch(() => "The orchestrator does not answer.")
    setBusy(false)
    setError(refused)
  }
  return (
    <Dialog
      opened
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Your session has ended"
      centered
      zIndex={1000}
    >
      <form onSubmit={event => void submit(event)}>
        <Stack>
          <Text size="sm">Log in to go on where you were. Nothing that you typed is lost.</Text>
          <PasswordInput
            label="API key"
            value={key}
            onChange={event => setKey(event.currentTarget.value)}
            error={error}
            autoComplete="current-password"
            data-autofocus
            required
          />
          <Button type="submit" loading={busy}>
            Log in
          </Button>
        </Stack>
      </form>
    </Dialog>
  )
}
