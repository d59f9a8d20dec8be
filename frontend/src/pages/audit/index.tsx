import { Anchor, Button, Group, NumberInput, Select, Text, TextInput } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { useSearchParams } from "react-router"

import type { AuditFilter } from "../../api/queries"
import { queries } from "../../api/queries"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Page, Placeholder } from "../../components/page"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { Trouble } from "../../components/trouble"
import { EntryDialog } from "./entry"
import { sentence } from "./sentence"

const PER_PAGE = 100
const KINDS = ["pool", "pool_member", "vhost", "route", "bucket", "migration", "config", "settings"]

/** The filter is in the address, so that it can be sent to somebody. */
function filterOf(search: URLSearchParams): AuditFilter {
  const text = (name: string) => search.get(name) ?? ""
  const id = Number(text("entity_id"))
  return {
    page: Number(text("page")) || 1,
    per_page: PER_PAGE,
    ...(text("entity_type") === "" ? {} : { entity_type: text("entity_type") }),
    ...(Number.isInteger(id) && id > 0 ? { entity_id: id } : {}),
    ...(text("from") === "" ? {} : { from: text("from") }),
    ...(text("to") === "" ? {} : { to: text("to") }),
  }
}

export function Component() {
  const [search, setSearch] = useSearchParams()
  const filter = filterOf(search)
  const page = filter.page ?? 1
  const { data: entries, error, refetch, isPlaceholderData } = useQuery(queries.audit(filter))
  const set = (name: string, value: string | number | null) => {
    const next = new URLSearchParams(search)
    if (name !== "page" && name !== "entry") next.delete("page")
    if (value === null || value === "") next.delete(name)
    else next.set(name, String(value))
    setSearch(next, { replace: true })
  }
  const opened = entries?.find(entry => String(entry.id) === search.get("entry"))
  const isFiltered = ["entity_type", "entity_id", "from", "to"].some(name => search.has(name))
  return (
    <Page title="Audit" about="Who changed what, when, and what nginx said to it.">
      <Group align="end" gap="sm">
        <Select
          label="Kind"
          placeholder="All"
          data={KINDS}
          value={search.get("entity_type")}
          onChange={value => set("entity_type", value)}
          clearable
          w={150}
        />
        <NumberInput
          label="Id"
          placeholder="Any"
          value={filter.entity_id ?? ""}
          onChange={value => set("entity_id", value)}
          min={1}
          w={100}
        />
        <TextInput
          label="From (UTC)"
          type="date"
          value={search.get("from") ?? ""}
          onChange={event => set("from", event.currentTarget.value)}
        />
        <TextInput
          label="To (UTC)"
          type="date"
          value={search.get("to") ?? ""}
          onChange={event => set("to", event.currentTarget.value)}
        />
        {isFiltered && (
          <Button variant="default" onClick={() => setSearch({}, { replace: true })}>
            Clear
          </Button>
        )}
      </Group>
      <Trouble error={error} title="The audit log cannot be read" onRetry={() => void refetch()} />
      {entries === undefined ? (
        error === null && <Placeholder rows={10} />
      ) : (
        <DataTable
          of="entries"
          rows={entries}
          id={entry => entry.id}
          columns={[
            { key: "id", title: "Id", value: entry => entry.id, wide: true },
            {
              key: "at",
              title: "When",
              value: entry => entry.created_at,
              cell: entry => <Time at={entry.created_at} full />,
            },
            { key: "actor", title: "Who", value: entry => entry.actor, wide: true },
            {
              key: "what",
              title: "What",
              value: sentence,
              cell: entry => (
                <Anchor component="button" size="sm" ta="start" onClick={() => set("entry", entry.id)}>
                  {sentence(entry)}
                </Anchor>
              ),
            },
            {
              key: "nginx",
              title: "nginx",
              value: entry => entry.nginx_reload_ok,
              cell: entry =>
                entry.nginx_reload_ok === null ? (
                  "—"
                ) : (
                  <Status health={entry.nginx_reload_ok ? "good" : "bad"}>
                    {entry.nginx_reload_ok ? "accepted" : "refused"}
                  </Status>
                ),
            },
          ]}
          empty={
            <Empty title={isFiltered || page > 1 ? "No entry is like that" : "Nothing was changed yet"}>
              {isFiltered ? "Take a part of the filter away." : undefined}
            </Empty>
          }
        />
      )}
      <Group justify="space-between">
        <Button variant="default" size="xs" disabled={page <= 1} onClick={() => set("page", page - 1)}>
          Newer
        </Button>
        <Text size="sm" c="dimmed" aria-live="polite">
          Page {page}
        </Text>
        <Button
          variant="default"
          size="xs"
          disabled={isPlaceholderData || (entries?.length ?? 0) < PER_PAGE}
          onClick={() => set("page", page + 1)}
        >
          Older
        </Button>
      </Group>
      <EntryDialog entry={opened} onClose={() => set("entry", null)} />
    </Page>
  )
}
