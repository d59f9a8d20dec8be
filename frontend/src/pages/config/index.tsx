import { Alert, Button, Menu, Stack, Tabs } from "@mantine/core"
import { IconCheck, IconChevronDown, IconRefresh, IconX } from "@tabler/icons-react"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useEffect, useEffectEvent, useState } from "react"
import { useSearchParams } from "react-router"

import type { ConfigStatus } from "../../api/client"
import { api, body } from "../../api/client"
import { Problem } from "../../api/problem"
import { queries } from "../../api/queries"
import { Confirm } from "../../components/confirm"
import { Page, Placeholder } from "../../components/page"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import troubleClasses from "../../components/trouble.module.css"
import classes from "./config.module.css"
import { Document } from "./document"
import { Files } from "./files"
import { History } from "./history"
import { RebuildFromDisk } from "./rebuild-from-disk"

interface Said {
  title: string
  ok: boolean
  words: string
}

type Dialog = "reload" | "rebuild" | "sync" | "from disk" | null

export function Component() {
  const { data: status, error, refetch } = useQuery(queries.status)
  const client = useQueryClient()
  const [search, setSearch] = useSearchParams()
  const [said, setSaid] = useState<Said | null>(null)
  const [asked, setDialog] = useState<Dialog>(null)
  // The palette asks for some of it from anywhere, also from here.
  const dialog = search.has("reload") ? "reload" : asked
  const drop = (name: string) => {
    const next = new URLSearchParams(search)
    next.delete(name)
    setSearch(next, { replace: true })
  }
  const close = () => {
    setDialog(null)
    if (search.has("reload")) drop("reload")
  }
  const validate = useMutation({
    mutationFn: () => body(api.POST("/api/config/validate")),
    onSuccess: answer =>
      setSaid({
        ok: answer.ok,
        words: answer.output,
        title: answer.ok ? "nginx accepts what is on disk" : "nginx refuses what is on disk",
      }),
  })
  const toValidate = search.has("validate")
  const test = useEffectEvent(() => {
    drop("validate")
    validate.mutate()
  })
  useEffect(() => {
    if (toValidate) test()
  }, [toValidate])
  const backup = useMutation({
    mutationFn: () => body(api.POST("/api/config/backup")),
    onSuccess: answer =>
      setSaid({
        ok: answer.ok,
        title: answer.ok ? "The database is backed up" : "The backup failed",
        words: answer.backup_path ?? answer.detail ?? "",
      }),
  })
  const tell = async (next: Said) => {
    await client.invalidateQueries()
    setSaid(next)
  }
  return (
    <Page
      title="Config"
      about="What the database says, what is on disk and what nginx runs. A change is tested and written at once; nginx runs it after a reload."
      actions={
        <>
          <Button variant="default" loading={validate.isPending} onClick={() => validate.mutate()}>
            Test
          </Button>
          <Button leftSection={<IconRefresh size={16} />} onClick={() => setDialog("reload")}>
            Reload nginx
          </Button>
          <Menu position="bottom-end" withinPortal>
            <Menu.Target>
              <Button variant="default" rightSection={<IconChevronDown size={15} />}>
                More
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>Database → disk</Menu.Label>
              <Menu.Item onClick={() => setDialog("rebuild")}>Write every file anew</Menu.Item>
              <Menu.Label>Disk → database</Menu.Label>
              <Menu.Item onClick={() => setDialog("sync")}>Take over every edit on disk</Menu.Item>
              <Menu.Item onClick={() => setDialog("from disk")}>Rebuild the database from disk</Menu.Item>
              <Menu.Label>Database</Menu.Label>
              <Menu.Item onClick={() => backup.mutate()}>Back up now</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      }
    >
      <Trouble error={error} title="The state of the configuration cannot be read" onRetry={() => void refetch()} />
      <Trouble error={validate.error} title="The configuration was not tested" />
      <Trouble error={backup.error} title="Nothing was backed up" />
      {said !== null && (
        <Alert
          color={said.ok ? "green" : "red"}
          icon={said.ok ? <IconCheck /> : <IconX />}
          title={said.title}
          withCloseButton
          closeButtonLabel="Dismiss"
          onClose={() => setSaid(null)}
          role="status"
        >
          {said.words !== "" && <pre className={troubleClasses.words}>{said.words}</pre>}
        </Alert>
      )}
      {status === undefined ? (
        error === null && <Placeholder rows={6} />
      ) : (
        <>
          <Facts status={status} />
          <Tabs
            value={search.get("tab") ?? "files"}
            onChange={tab => setSearch(tab === null || tab === "files" ? {} : { tab }, { replace: true })}
            keepMounted={false}
          >
            <Tabs.List mb="md">
              <Tabs.Tab value="files">Managed files</Tabs.Tab>
              <Tabs.Tab value="history">History</Tabs.Tab>
              <Tabs.Tab value="document">As a document</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="files">
              <Files status={status} />
            </Tabs.Panel>
            <Tabs.Panel value="history">
              <History />
            </Tabs.Panel>
            <Tabs.Panel value="document">
              <Document />
            </Tabs.Panel>
          </Tabs>
        </>
      )}
      <Confirm
        opened={dialog === "reload"}
        onClose={close}
        title="Reload nginx?"
        verb="Reload"
        harmless
        act={async () => {
          const answer = await body(api.POST("/api/config/reload"))
          await tell({
            ok: answer.ok,
            words: answer.output,
            title: answer.ok ? "nginx runs the new configuration" : "nginx was not reloaded",
          })
        }}
      >
        {reloadConsequence(status)}
      </Confirm>
      <Confirm
        opened={dialog === "rebuild"}
        onClose={close}
        title="Write every file anew?"
        changes
        verb="Write and reload"
        act={async () => {
          const answer = await body(api.POST("/api/config/rebuild"))
          if (!answer.ok) throw new Problem(422, [answer.output, ...answer.errors].join("\n"))
          await tell({
            ok: true,
            title: `${answer.written.length} files are written, ${answer.removed.length} removed; nginx runs them`,
            words: answer.output,
          })
        }}
      >
        Every managed file is written as the database says, over {driftWords(status)}. Managed files that nothing
        accounts for are removed. Then nginx is reloaded. If it refuses, nothing is written.
      </Confirm>
      <Confirm
        opened={dialog === "sync"}
        onClose={close}
        title="Take over every edit on disk?"
        changes
        verb="Take them over"
        harmless
        act={async insisted => {
          const query = insisted === "allow_orphan" ? { allow_orphan: true } : {}
          const taken = await body(api.POST("/api/config/sync", { params: { query } }))
          await tell({
            ok: taken.warnings.length === 0,
            title: `${taken.files_synced} files were taken over`,
            words: taken.warnings.join("\n"),
          })
          done(
            `${taken.pools_new + taken.pools_updated} pools, ${taken.vhosts_new + taken.vhosts_updated} vhosts and ${taken.routes_synced} routes were taken over.`,
          )
        }}
      >
        The database takes on what {driftWords(status)} say. What it has no place for stays as it is, and you are told
        what it is. A missing file removes nothing from the database.
      </Confirm>
      <RebuildFromDisk
        opened={dialog === "from disk"}
        onClose={close}
        onDone={words => void tell({ ok: true, ...words })}
      />
    </Page>
  )
}

function reloadConsequence(status: ConfigStatus | undefined): string {
  if (status?.pending_reload === true) {
    return "nginx tests what is on disk, then starts workers with it. Connections that are open end in their own time. Every change that waits goes live at once."
  }
  return "nginx already runs what is on disk. A reload starts new workers with it, for example after a certificate was replaced."
}

function driftWords(status: ConfigStatus | undefined): string {
  const count = status?.files.filter(file => file.drifted).length ?? 0
  return count === 1 ? "the 1 file that was changed by hand" : `the ${count} files that were changed by hand`
}

function Facts({ status }: { status: ConfigStatus }) {
  const dry = status.check_mode === "dry-run"
  return (
    <Stack className="panel" p="md">
      <dl className={classes.facts}>
        <div>
          <dt>nginx</dt>
          <dd>
            <Status health={status.nginx_up ? "good" : dry ? "idle" : "bad"}>
              {dry ? "left alone (dry run)" : status.nginx_up ? "runs" : "does not run"}
              {status.nginx_version !== null && ` · ${status.nginx_version}`}
            </Status>
          </dd>
        </div>
        <div>
          <dt>Changes</dt>
          <dd>
            {status.pending_reload === null ? (
              <Status health="idle">not known whether nginx runs them</Status>
            ) : status.pending_reload ? (
              <Status health="warn">wait for a reload</Status>
            ) : (
              <Status health="good">nginx runs what is on disk</Status>
            )}
          </dd>
        </div>
        <div>
          <dt>Last reload</dt>
          <dd>
            {status.last_reload_ok === null ? (
              "none yet"
            ) : (
              <Status health={status.last_reload_ok ? "good" : "bad"}>
                {status.last_reload_ok ? "applied" : "failed"} · <Time at={status.last_reload_at} />
              </Status>
            )}
          </dd>
        </div>
        <div>
          <dt>Candidates are tested</dt>
          <dd>{MODES[status.check_mode] ?? status.check_mode}</dd>
        </div>
      </dl>
    </Stack>
  )
}

const MODES: Record<string, string> = {
  staged: "beside the live files",
  swap: "in the place of the live files",
  "dry-run": "not at all (dry run)",
}
