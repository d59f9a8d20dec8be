import { Badge, Button, Group, Menu, Stack, Text } from "@mantine/core"
import { useQueryClient } from "@tanstack/react-query"
import { useState } from "react"

import type { ConfigStatus, FileStatus } from "../../api/client"
import { api, body } from "../../api/client"
import { Confirm } from "../../components/confirm"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Diff } from "../../components/diff"
import { Empty } from "../../components/empty"
import { RowMenu } from "../../components/row-menu"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { done } from "../../components/toast"
import { Problem } from "../../api/problem"
import { Dialog } from "../../components/dialog"
import classes from "./config.module.css"

type State = "as written" | "changed" | "missing" | "unknown"

/** What has become of a file since it was written. */
export function stateOf(file: FileStatus): State {
  if (!file.drifted) return "as written"
  if (file.sha256_disk === null) return "missing"
  return file.sha256_db === null ? "unknown" : "changed"
}

const MEANING: Record<State, string> = {
  "as written": "The file is as the orchestrator wrote it.",
  changed: "Somebody changed it on the machine.",
  missing: "Somebody removed it on the machine.",
  unknown: "The orchestrator did not write it.",
}

/** Whether nginx runs what is on disk. */
function running(file: FileStatus): string {
  if (file.sha256_running === null) return "—"
  return file.sha256_running === file.sha256_disk ? "this" : "an older one"
}

/** The directory that all of them are in, with the slash at its end. */
export function directoryOf(paths: readonly string[]): string {
  const [first = "", ...others] = paths
  let end = first.lastIndexOf("/") + 1
  while (end > 0 && !others.every(path => path.startsWith(first.slice(0, end)))) {
    end = first.lastIndexOf("/", end - 2) + 1
  }
  return first.slice(0, end)
}

/** Every managed file: as it should be, as it is, as it runs. */
export function Files({ status }: { status: ConfigStatus }) {
  const [chosen, setChosen] = useState<{ file: FileStatus; to: "look" | "absorb" | "rewrite" } | null>(null)
  const drifted = status.files.filter(file => file.drifted)
  const choose = (file: FileStatus, to: "look" | "absorb" | "rewrite") => setChosen({ file, to })
  const close = () => setChosen(null)
  const directory = directoryOf(status.files.map(file => file.path))
  const columns: Column<FileStatus>[] = [
    {
      key: "path",
      title: "File",
      value: file => file.path,
      cell: file => (
        <span className="mono breakable" title={file.path}>
          {file.path.slice(directory.length)}
        </span>
      ),
    },
    {
      key: "state",
      title: "On disk",
      value: stateOf,
      cell: file => (
        <Status health={file.drifted ? "bad" : "good"} title={MEANING[stateOf(file)]}>
          {stateOf(file).replace(" ", "\u00a0")}
        </Status>
      ),
    },
    { key: "running", title: "nginx runs", value: running, wide: true },
    {
      key: "sha",
      title: "SHA-256",
      value: file => file.sha256_disk,
      cell: file => (
        <span className="mono" title={file.sha256_disk ?? undefined}>
          {file.sha256_disk?.slice(0, 12) ?? "—"}
        </span>
      ),
      wide: true,
    },
    {
      key: "synced",
      title: "Written",
      value: file => file.last_synced_at,
      cell: file => <Time at={file.last_synced_at} />,
      wide: true,
    },
    {
      key: "actions",
      title: "",
      align: "end",
      width: "3rem",
      cell: file =>
        file.drifted ? (
          <RowMenu of={file.path}>
            <Menu.Item onClick={() => choose(file, "look")}>Show the difference</Menu.Item>
            <Menu.Item onClick={() => choose(file, "absorb")} disabled={file.sha256_disk === null}>
              Take the edit over
            </Menu.Item>
            <Menu.Item onClick={() => choose(file, "rewrite")}>Undo the edit</Menu.Item>
          </RowMenu>
        ) : null,
    },
  ]
  return (
    <>
      {drifted.length > 0 && (
        <Stack gap="md">
          {drifted.slice(0, 3).map(file => (
            <Stack key={file.path} gap="xs" className={classes.drifted}>
              <Group justify="space-between">
                <Group gap="xs">
                  <Badge color="red" variant="light" radius="sm" tt="none">
                    {stateOf(file)}
                  </Badge>
                  <Text size="sm" className="mono breakable">
                    {file.path}
                  </Text>
                </Group>
                <DriftActions file={file} choose={choose} />
              </Group>
              {file.diff !== null && <Diff text={file.diff} label={`Difference in ${file.path}`} />}
            </Stack>
          ))}
        </Stack>
      )}
      <DataTable
        of="files"
        tools={
          <Text size="xs" c="dimmed" className="mono breakable">
            {directory}
          </Text>
        }
        rows={status.files.toSorted((a, b) => Number(b.drifted) - Number(a.drifted))}
        columns={columns}
        id={file => file.path}
        empty={
          <Empty title="There are no managed files">
            They appear with the first pool that has a member. If nginx has files of an earlier gateway, “Rebuild the
            database from disk” brings it back.
          </Empty>
        }
      />
      {chosen !== null && (
        <>
          <Dialog opened={chosen.to === "look"} onClose={close} size="80rem" title={chosen.file.path}>
            <Stack>
              <Text size="sm" c="dimmed">
                − is what the database says, + is what is on disk.
              </Text>
              <Diff
                text={chosen.file.diff ?? "(the difference cannot be shown)"}
                label={`Difference in ${chosen.file.path}`}
              />
            </Stack>
          </Dialog>
          <Absorb opened={chosen.to === "absorb"} onClose={close} file={chosen.file} />
          <Rewrite opened={chosen.to === "rewrite"} onClose={close} file={chosen.file} />
        </>
      )}
    </>
  )
}

interface ActionsProps {
  file: FileStatus
  choose: (file: FileStatus, to: "absorb" | "rewrite") => void
}

function DriftActions({ file, choose }: ActionsProps) {
  return (
    <Group gap="xs">
      {file.sha256_disk !== null && (
        <Button size="compact-sm" variant="default" onClick={() => choose(file, "absorb")}>
          Take the edit over
        </Button>
      )}
      <Button size="compact-sm" variant="default" onClick={() => choose(file, "rewrite")}>
        Undo the edit
      </Button>
    </Group>
  )
}

interface DialogProps {
  opened: boolean
  onClose: () => void
  file: FileStatus
}

function Absorb({ opened, onClose, file }: DialogProps) {
  const client = useQueryClient()
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title="Take the edit over?"
      changes
      verb="Take it over"
      harmless
      act={async insisted => {
        const sent = { path: file.path, ...(insisted === "allow_orphan" ? { allow_orphan: true } : {}) }
        const taken = await body(api.POST("/api/config/absorb-file", { body: sent }))
        await client.invalidateQueries()
        done([`The database now says what ${file.path} said.`, ...taken.warnings].join("\n"))
      }}
    >
      The database takes on what <span className="mono breakable">{file.path}</span> says, and the file is then written
      in the orchestrator's own form. If something in it has no place in the database, nothing is changed and you are
      told what it is.
    </Confirm>
  )
}

function Rewrite({ opened, onClose, file }: DialogProps) {
  const client = useQueryClient()
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title="Undo the edit?"
      changes
      verb="Write it anew"
      act={async () => {
        const written = await body(api.POST("/api/config/rewrite-file", { body: { path: file.path } }))
        await client.invalidateQueries()
        if (!written.ok) throw new Problem(422, written.output)
        done(written.reason ?? `${file.path} is as the database says, and nginx runs it.`)
      }}
    >
      The file is written as the database says, over the edit, and nginx is reloaded: with it, everything else that
      waits for a reload goes live.
    </Confirm>
  )
}
