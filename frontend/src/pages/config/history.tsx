import { Anchor, Button, Group, Stack, Text } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { useSearchParams } from "react-router"

import type { Revision } from "../../api/client"
import { queries } from "../../api/queries"
import { DataTable } from "../../components/data-table"
import { Dialog, useKept } from "../../components/dialog"
import { Empty } from "../../components/empty"
import { Placeholder } from "../../components/page"
import { SideBySide } from "../../components/side-by-side"
import { Time } from "../../components/time"
import { Trouble } from "../../components/trouble"
import { deed } from "../audit/sentence"
import { Rollback } from "./rollback"

/** Every accepted change that nginx could see, and how it changed nginx's files. */
export function History() {
  const [search, setSearch] = useSearchParams()
  const [back, setBack] = useState<number | null>(null)
  const before = Number(search.get("before")) || null
  const { data: revisions, error, refetch } = useQuery(queries.revisions(before))
  const set = (changes: Record<string, string | null>) => {
    const next = new URLSearchParams(search)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) next.delete(name)
      else next.set(name, value)
    }
    setSearch(next, { replace: true })
  }
  const last = revisions?.at(-1)
  return (
    <Stack gap="sm">
      <Trouble error={error} title="The history cannot be read" onRetry={() => void refetch()} />
      {revisions === undefined ? (
        error === null && <Placeholder rows={6} />
      ) : (
        <DataTable
          of="revisions"
          rows={revisions}
          id={revision => revision.number}
          columns={[
            { key: "number", title: "Revision", value: revision => revision.number },
            {
              key: "at",
              title: "When",
              value: revision => revision.at,
              cell: revision => <Time at={revision.at} full />,
            },
            { key: "who", title: "Who", value: revision => who(revision) || "—", wide: true },
            {
              key: "what",
              title: "What",
              value: what,
              cell: revision => (
                <Anchor
                  component="button"
                  size="sm"
                  ta="start"
                  className="breakable"
                  onClick={() => set({ revision: String(revision.number) })}
                >
                  {what(revision)}
                </Anchor>
              ),
            },
            { key: "why", title: "Why", value: why, wide: true },
            {
              key: "lines",
              title: "Lines",
              align: "end",
              wide: true,
              value: changed,
              cell: revision => <span className="unbroken">{lines(revision).join(" ")}</span>,
            },
          ]}
          empty={
            <Empty title="Nothing was changed yet">Each change that nginx accepts is kept here, with its lines.</Empty>
          }
        />
      )}
      <Group justify="space-between">
        <Button variant="default" size="xs" disabled={before === null} onClick={() => set({ before: null })}>
          Newest
        </Button>
        <Button
          variant="default"
          size="xs"
          disabled={last === undefined || (revisions?.length ?? 0) < queries.revisionsPerPage}
          onClick={() => set({ before: String(last?.number) })}
        >
          Older
        </Button>
      </Group>
      <RevisionDialog
        number={Number(search.get("revision")) || null}
        isNewest={search.get("revision") === String(revisions?.[0]?.number) && before === null}
        onClose={() => set({ revision: null })}
        onBack={number => {
          set({ revision: null })
          setBack(number)
        }}
      />
      {back !== null && <Rollback number={back} onClose={() => setBack(null)} />}
    </Stack>
  )
}

function who(revision: Pick<Revision, "entries">): string {
  return [...new Set(revision.entries.map(entry => entry.actor))].join(", ")
}

/** The reasons that were given. */
function why(revision: Pick<Revision, "entries">): string | null {
  const given = revision.entries.map(entry => entry.reason).filter(reason => reason !== null)
  return given.length === 0 ? null : [...new Set(given)].join("; ")
}

/** `Created pool 3, changed route 9`; of what was not asked for by anybody, the files: a migration needed them so. */
function what(revision: Pick<Revision, "entries" | "files">): string {
  const told = revision.entries.map(entry =>
    entry.outcome === null ? deed(entry) : `${deed(entry)}: ${entry.outcome}`,
  )
  if (told.length === 0) {
    const files = revision.files.map(file => file.path.split("/").at(-1))
    return files.length === 0 ? "Wrote files anew" : `Wrote ${shortened(files)} anew`
  }
  return shortened(told)
}

function shortened(all: readonly (string | undefined)[]): string {
  const shown = all.slice(0, 3).join(", ")
  return all.length > 3 ? `${shown} and ${all.length - 3} more` : shown
}

function lines(revision: Pick<Revision, "files">): string[] {
  const sum = (of: "lines_added" | "lines_removed") => revision.files.reduce((all, file) => all + file[of], 0)
  return [`+${sum("lines_added")}`, `−${sum("lines_removed")}`]
}

function changed(revision: Pick<Revision, "files">): number {
  return revision.files.reduce((all, file) => all + file.lines_added + file.lines_removed, 0)
}

interface DialogProps {
  number: number | null
  /** Nothing was changed since. */
  isNewest: boolean
  onClose: () => void
  onBack: (number: number) => void
}

function RevisionDialog({ number, isNewest, onClose, onBack }: DialogProps) {
  const shown = useKept(number)
  const { data: revision, error } = useQuery({ ...queries.revision(shown ?? 0), enabled: shown !== null })
  return (
    <Dialog opened={number !== null} onClose={onClose} title={`Revision ${shown ?? ""}`} size="90rem">
      <Trouble error={error} title="The revision cannot be read" />
      {revision === undefined ? (
        error === null && <Placeholder />
      ) : (
        <Stack>
          <Text size="sm" className="breakable">
            {who(revision) || "nobody asked for it"} · <Time at={revision.at} full /> · {what(revision)}
          </Text>
          {why(revision) !== null && (
            <Text size="sm" className="breakable">
              Why: {why(revision)}
            </Text>
          )}
          {revision.diff === "" ? (
            <Text size="sm" c="dimmed">
              No line of nginx's files is kept of it.
            </Text>
          ) : (
            <SideBySide text={revision.diff} label={`What revision ${revision.number} changed`} />
          )}
          {!isNewest && (
            <Group justify="flex-end">
              <Button variant="default" onClick={() => onBack(revision.number)}>
                Back to how it was then
              </Button>
            </Group>
          )}
        </Stack>
      )}
    </Dialog>
  )
}
