import { Button, Group, SegmentedControl, Select, Stack, Text } from "@mantine/core"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"

import { api, body } from "../../api/client"
import { queries, usePools } from "../../api/queries"
import { Dialog } from "../../components/dialog"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { Checks } from "./checks"

interface Props {
  opened: boolean
  onClose: () => void
  /** What is known already. */
  source: number | null
  bucket: string | null
}

/** Starts a migration, after it was shown what would be found. */
export function StartDialog({ opened, onClose, source, bucket }: Props) {
  return (
    <Dialog opened={opened} onClose={onClose} title="Move a bucket" size="lg" closeOnClickOutside={false}>
      {opened && <Start onClose={onClose} source={source} bucket={bucket} />}
    </Dialog>
  )
}

type Mode = "copy" | "sync"

const MODES: Record<Mode, string> = {
  copy: "What only the destination has stays there.",
  sync: "The destination becomes the same as the source; it has to be empty when it begins.",
}

function Start({ onClose, ...known }: Omit<Props, "opened">) {
  const client = useQueryClient()
  const pools = usePools().filter(pool => pool.type === "nanio")
  const [source, setSource] = useState(known.source)
  const [bucket, setBucket] = useState(known.bucket)
  const [destination, setDestination] = useState<number | null>(null)
  const [mode, setMode] = useState<Mode>("copy")
  const { data: buckets, error } = useQuery({ ...queries.sourceBuckets(source ?? 0), enabled: source !== null })
  const wanted = { bucket: bucket ?? "", src_pool_id: source ?? 0, dst_pool_id: destination ?? 0, mode }
  const isComplete = bucket !== null && source !== null && destination !== null
  const look = useMutation({ mutationFn: () => body(api.POST("/api/migrations/preflight", { body: wanted })) })
  const start = useMutation({
    mutationFn: () => body(api.POST("/api/migrations", { body: wanted })),
    onSuccess: async migration => {
      await client.invalidateQueries()
      done([`Migration ${migration.id} moves ${migration.bucket}.`, ...(migration.cascade_warnings ?? [])].join("\n"))
      onClose()
    },
  })
  // What was found belongs to what was asked.
  const change = (act: () => void) => {
    look.reset()
    start.reset()
    act()
  }
  const options = pools.map(pool => ({ value: String(pool.id), label: pool.name }))
  const id = (value: string | null) => (value === null ? null : Number(value))
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        Clients go on while it runs: reads come from the source until the switch, writes wait a moment at the end. The
        objects stay on the source as well, until you delete them.
      </Text>
      <Select
        label="From pool"
        data={options}
        value={source === null ? null : String(source)}
        onChange={value => change(() => (setSource(id(value)), setBucket(null)))}
        searchable
        allowDeselect={false}
      />
      <Select
        label="Bucket"
        description="Those with an enabled route to that pool."
        data={buckets?.buckets ?? (bucket === null ? [] : [bucket])}
        value={bucket}
        onChange={value => change(() => setBucket(value))}
        disabled={source === null}
        searchable
        allowDeselect={false}
        nothingFoundMessage="No bucket is routed to this pool: route it first"
      />
      <Trouble error={error} title="The buckets cannot be listed" />
      <Select
        label="To pool"
        data={options.filter(option => option.value !== String(source))}
        value={destination === null ? null : String(destination)}
        onChange={value => change(() => setDestination(id(value)))}
        searchable
        allowDeselect={false}
      />
      <Stack gap={4}>
        <Text size="sm" fw={600} id="migration-mode">
          Mode
        </Text>
        <SegmentedControl
          aria-labelledby="migration-mode"
          value={mode}
          onChange={value => change(() => setMode(value as Mode))}
          data={["copy", "sync"]}
        />
        <Text size="xs" c="dimmed">
          {MODES[mode]}
        </Text>
      </Stack>
      {look.data !== undefined && <Checks checks={look.data.checks} />}
      <Trouble error={look.error} title="It could not be looked at" />
      <Trouble error={start.error} title="Nothing was started" />
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="default" disabled={!isComplete} loading={look.isPending} onClick={() => look.mutate()}>
          Look first
        </Button>
        <Button
          disabled={!isComplete || look.data?.ok === false}
          loading={start.isPending}
          onClick={() => start.mutate()}
        >
          Move it
        </Button>
      </Group>
    </Stack>
  )
}
