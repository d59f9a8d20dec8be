import { Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { FormEvent } from "react"
import { useState } from "react"

import type { Pool } from "../../api/client"
import { api, body } from "../../api/client"
import { Problem } from "../../api/problem"
import { queries } from "../../api/queries"
import { Confirm } from "../../components/confirm"
import { Dialog } from "../../components/dialog"
import { Placeholder, Section } from "../../components/page"
import { Time } from "../../components/time"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"

/** The S3 keys of a pool: what may be seen of them, and new ones. */
export function Credentials({ pool }: { pool: Pool }) {
  const { data: keys, error, refetch } = useQuery(queries.credentials(pool.id))
  const [dialog, setDialog] = useState<"set" | "remove" | null>(null)
  const own = keys?.source === "pool"
  return (
    <Section
      title="S3 keys"
      actions={
        <>
          {own && (
            <Button size="xs" variant="default" onClick={() => setDialog("remove")}>
              Remove
            </Button>
          )}
          <Button size="xs" variant="default" onClick={() => setDialog("set")}>
            {own ? "Replace" : "Set keys"}
          </Button>
        </>
      }
    >
      <Trouble error={error} title="The keys cannot be shown" />
      {keys === undefined ? (
        error === null && <Placeholder rows={1} height={56} />
      ) : (
        <Stack className="panel" p="sm" gap={4}>
          <Text size="sm">
            {own ? "Its own: " : "The global ones of the settings: "}
            <span className="mono">{keys.access_key_masked}</span>
          </Text>
          <Text size="xs" c="dimmed" className="breakable">
            region {keys.region} · {keys.endpoint_url ?? "at its members"}
            {keys.updated_at !== null && (
              <>
                {" · stored "}
                <Time at={keys.updated_at} />
              </>
            )}
          </Text>
          {keys.problem !== null && <Trouble error={new Problem(0, keys.problem)} title="These keys cannot be used" />}
        </Stack>
      )}
      <Dialog
        opened={dialog === "set"}
        onClose={() => setDialog(null)}
        title={`S3 keys of ${pool.name}`}
        closeOnClickOutside={false}
      >
        {dialog === "set" && (
          <SetKeys pool={pool} region={keys?.region ?? "us-east-1"} onDone={() => setDialog(null)} />
        )}
      </Dialog>
      <Confirm
        opened={dialog === "remove"}
        onClose={() => setDialog(null)}
        title={`Remove the S3 keys of ${pool.name}?`}
        verb="Remove keys"
        act={async () => {
          await body(api.DELETE("/api/pools/{pool_id}/credentials", { params: { path: { pool_id: pool.id } } }))
          await refetch()
          done(`${pool.name} uses the global S3 keys from now on.`)
        }}
      >
        Bucket lists and migrations of this pool will be signed with the global keys of the settings. If its nodes do
        not know those, they will fail.
      </Confirm>
    </Section>
  )
}

function SetKeys({ pool, region: known, onDone }: { pool: Pool; region: string; onDone: () => void }) {
  const client = useQueryClient()
  const [access, setAccess] = useState("")
  const [secret, setSecret] = useState("")
  const [endpoint, setEndpoint] = useState("")
  const [region, setRegion] = useState(known)
  const { mutate, isPending, error } = useMutation({
    mutationFn: () =>
      body(
        api.PUT("/api/pools/{pool_id}/credentials", {
          params: { path: { pool_id: pool.id } },
          body: { access_key: access, secret_key: secret, endpoint_url: endpoint === "" ? null : endpoint, region },
        }),
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["db"] })
      done(`The S3 keys of ${pool.name} are stored.`)
      onDone()
    },
  })
  const fields = error === null ? {} : Problem.from(error).fields
  const submit = (event: FormEvent) => {
    event.preventDefault()
    mutate()
  }
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack>
        <TextInput
          label="Access key"
          required
          value={access}
          error={fields.access_key}
          onChange={event => setAccess(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
        />
        <PasswordInput
          label="Secret key"
          description="Kept encrypted; nobody will be shown it again."
          required
          value={secret}
          error={fields.secret_key}
          onChange={event => setSecret(event.currentTarget.value)}
          autoComplete="new-password"
        />
        <TextInput
          label="Endpoint"
          description="Where its S3 service is, if not at its members."
          placeholder="http://10.0.0.5:9000"
          value={endpoint}
          error={fields.endpoint_url}
          onChange={event => setEndpoint(event.currentTarget.value)}
        />
        <TextInput
          label="Region"
          value={region}
          error={fields.region}
          onChange={event => setRegion(event.currentTarget.value)}
        />
        <Trouble
          error={error}
          beside={["access_key", "secret_key", "endpoint_url", "region"]}
          title="Nothing was stored"
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            Cancel
          </Button>
          <Button type="submit" loading={isPending}>
            Store keys
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
