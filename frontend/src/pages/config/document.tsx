import { Button, Checkbox, FileButton, Group, Stack, Text, Textarea } from "@mantine/core"
import { IconDownload, IconFileImport } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"

import type { ConfigPlan } from "../../api/client"
import { api, body } from "../../api/client"
import { Confirm } from "../../components/confirm"
import { save } from "../../components/copy"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { Plan } from "./plan"

interface Terms {
  prune: boolean
  partial: boolean
}

/** A document goes as it was written: YAML, of which JSON is a part. */
const AS_WRITTEN = {
  headers: { "Content-Type": "application/yaml" },
  bodySerializer: (text: unknown) => text as string,
}

/** The gateway as a document: to be saved, and to be made so again. */
export function Document() {
  const client = useQueryClient()
  const [text, setText] = useState("")
  const [terms, setTerms] = useState<Terms>({ prune: false, partial: false })
  const [planned, setPlanned] = useState<{ plan: ConfigPlan; text: string; terms: Terms } | null>(null)
  const [applying, setApplying] = useState(false)
  const saving = useMutation({
    mutationFn: async () => {
      const params = { query: { format: "yaml" as const } }
      const document = await body<unknown>(api.GET("/api/config/export", { params, parseAs: "text" }))
      save(String(document), "gateway.yaml")
    },
  })
  const plan = useMutation({
    mutationFn: async () => {
      const asked = { text, terms }
      const plan = await body(
        api.POST("/api/config/plan", { params: { query: terms }, body: text as never, ...AS_WRITTEN }),
      )
      setPlanned({ plan, ...asked })
    },
  })
  const isFresh = planned !== null && planned.text === text && planned.terms === terms
  const edit = (next: string) => {
    setText(next)
    setPlanned(null)
  }
  const agree = (next: Partial<Terms>) => {
    setTerms({ ...terms, ...next })
    setPlanned(null)
  }
  return (
    <Stack>
      <Group>
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          loading={saving.isPending}
          onClick={() => saving.mutate()}
        >
          Save this gateway as gateway.yaml
        </Button>
        <FileButton
          accept=".yaml,.yml,.json"
          onChange={file => void file?.text().then(edit)}
          inputProps={{ "aria-label": "A document" }}
        >
          {props => (
            <Button variant="default" leftSection={<IconFileImport size={16} />} {...props}>
              Open a document
            </Button>
          )}
        </FileButton>
      </Group>
      <Trouble error={saving.error} title="The document was not made" />
      <Textarea
        label="Document"
        description="Names instead of ids, no secrets. What it does not name stays as it is, unless you ask for its removal below."
        classNames={{ input: "mono" }}
        value={text}
        onChange={event => edit(event.currentTarget.value)}
        autosize
        minRows={8}
        maxRows={24}
        spellCheck={false}
      />
      <Group>
        <Checkbox
          label="Remove what it does not name"
          checked={terms.prune}
          onChange={event => agree({ prune: event.currentTarget.checked })}
        />
        <Checkbox
          label="Leave out what needs a migration"
          checked={terms.partial}
          onChange={event => agree({ partial: event.currentTarget.checked })}
        />
        <Button loading={plan.isPending} disabled={text.trim() === ""} onClick={() => plan.mutate()}>
          Plan
        </Button>
      </Group>
      <Trouble error={plan.error} title="There is no plan" />
      {isFresh && (
        <>
          <Plan plan={planned.plan} unchanged="The gateway is what the document says" />
          <Group justify="flex-end">
            <Button disabled={!planned.plan.changed || !planned.plan.applicable} onClick={() => setApplying(true)}>
              Apply
            </Button>
          </Group>
          <Confirm
            opened={applying}
            onClose={() => setApplying(false)}
            title="Make the gateway what the document says?"
            changes
            verb="Apply"
            harmless={planned.plan.changes.every(change => change.action !== "delete")}
            act={async () => {
              const query = { ...terms, expect: planned.plan.state }
              const applied = await body(
                api.POST("/api/config/apply", { params: { query }, body: text as never, ...AS_WRITTEN }),
              )
              await client.invalidateQueries()
              setPlanned(null)
              done(`${counted(applied.changes.length)} made. nginx runs them after a reload.`)
            }}
          >
            <Text component="div" size="sm">
              {counted(planned.plan.changes.length)} made as one, or none if nginx refuses. If somebody else changes
              something first, nothing is done.
            </Text>
          </Confirm>
        </>
      )}
    </Stack>
  )
}

function counted(changes: number): string {
  return changes === 1 ? "1 change is" : `${changes.toLocaleString("en")} changes are`
}
