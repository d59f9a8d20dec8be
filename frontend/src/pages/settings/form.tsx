import { Button, Group, PasswordInput, SegmentedControl, Stack, TextInput } from "@mantine/core"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import type { FormEvent, KeyboardEvent } from "react"
import { useState } from "react"

import type { Setting } from "../../api/client"
import { api, body } from "../../api/client"
import { queries } from "../../api/queries"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import classes from "./settings.module.css"

/** One setting in the place where it is shown. Enter saves, Esc leaves it. */
export function SettingForm({ setting, onDone }: { setting: Setting; onDone: () => void }) {
  const client = useQueryClient()
  // What a secret is now is not known here: it begins empty.
  const known = setting.pending ? setting.pending_value : setting.value
  const [value, setValue] = useState(setting.masked || known === null || known === undefined ? "" : String(known))
  const { mutate, isPending, error } = useMutation({
    mutationFn: () =>
      body(
        api.PUT("/api/config/settings/{key}", {
          params: { path: { key: setting.key } },
          body: { value: value === "" ? null : value },
        }),
      ),
    onSuccess: async answer => {
      await client.invalidateQueries({ queryKey: queries.settings.queryKey })
      done(answer.message)
      onDone()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    mutate()
  }
  const press = (event: KeyboardEvent) => {
    if (event.key === "Escape") onDone()
  }
  const label = `New value of ${setting.key}`
  return (
    <form onSubmit={submit} onKeyDown={press} noValidate autoComplete="off" className={classes.form}>
      <Stack gap="xs">
        {typeof known === "boolean" ? (
          <SegmentedControl
            aria-label={label}
            value={value}
            onChange={setValue}
            data={[
              { value: "true", label: "on" },
              { value: "false", label: "off" },
            ]}
          />
        ) : setting.masked ? (
          <PasswordInput
            aria-label={label}
            placeholder="Empty: unset"
            value={value}
            onChange={event => setValue(event.currentTarget.value)}
            autoComplete="new-password"
            autoFocus
          />
        ) : (
          <TextInput
            aria-label={label}
            placeholder="Empty: the default"
            value={value}
            onChange={event => setValue(event.currentTarget.value)}
            autoFocus
            spellCheck={false}
          />
        )}
        <Trouble error={error} title="Nothing was written" />
        <Group gap="xs">
          <Button type="submit" size="xs" loading={isPending}>
            Save
          </Button>
          <Button size="xs" variant="default" onClick={onDone}>
            Cancel
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
