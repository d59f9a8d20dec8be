import { Anchor, Badge, Button, Tabs, Text } from "@mantine/core"
import { IconBucket, IconPencil, IconTrash } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { Link, useNavigate, useParams, useSearchParams } from "react-router"

import type { Vhost } from "../../api/client"
import { api, body, ifMatch } from "../../api/client"
import { queries, usePools } from "../../api/queries"
import { CodeBlock } from "../../components/code-block"
import { Confirm } from "../../components/confirm"
import { Page, Placeholder } from "../../components/page"
import { Time } from "../../components/time"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { Additional } from "./additional"
import { CertificateMark } from "./certificate"
import { VhostDialog } from "./form"
import { Routes } from "./routes"

export function Component() {
  const id = Number(useParams().id)
  const { data: vhost, error } = useQuery(queries.vhost(id))
  const [dialog, setDialog] = useState<"edit" | "delete" | null>(null)
  const [search, setSearch] = useSearchParams()
  const pools = usePools()
  const back = { to: "/web/vhosts", label: "Vhosts" }
  if (vhost === undefined) {
    return (
      <Page title="Vhost" back={back}>
        <Trouble error={error} title="This vhost cannot be shown" />
        {error === null && <Placeholder />}
      </Page>
    )
  }
  const pool = pools.find(one => one.id === vhost.default_pool_id)
  return (
    <Page
      title={vhost.server_name}
      back={back}
      about={
        <>
          {pool === undefined ? (
            "no default pool: only routes are served"
          ) : (
            <>
              everything without a route goes to{" "}
              <Anchor component={Link} inherit underline="always" to={`/web/pools/${pool.id}`}>
                {pool.name}
              </Anchor>
            </>
          )}
          {vhost.ssl && ` · certificate ${vhost.ssl_certificate ?? "missing"}`}
          {" · changed "}
          <Time at={vhost.updated_at} />
        </>
      }
      marks={
        <>
          <Badge variant="light" color={vhost.ssl ? "green" : "gray"} radius="sm" tt="none">
            {vhost.ssl ? "https" : "http"} :{vhost.listen_port}
          </Badge>
          <CertificateMark vhost={vhost} />
          {!vhost.enabled && (
            <Badge variant="light" color="gray" radius="sm" tt="none">
              off
            </Badge>
          )}
        </>
      }
      actions={
        <>
          <Button
            component={Link}
            to={`/web/buckets?vhost=${vhost.id}`}
            variant="default"
            leftSection={<IconBucket size={15} />}
          >
            Buckets
          </Button>
          <Button variant="default" leftSection={<IconPencil size={15} />} onClick={() => setDialog("edit")}>
            Edit
          </Button>
          <Button
            variant="default"
            c="var(--mantine-color-error)"
            leftSection={<IconTrash size={15} />}
            onClick={() => setDialog("delete")}
          >
            Delete
          </Button>
        </>
      }
    >
      <Tabs
        value={search.get("tab") ?? "routes"}
        onChange={tab => setSearch(tab === null || tab === "routes" ? {} : { tab }, { replace: true })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="routes">Routes</Tabs.Tab>
          <Tabs.Tab value="additional">Access and extra blocks</Tabs.Tab>
          <Tabs.Tab value="preview">What nginx gets</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="routes">
          <Routes vhost={vhost} />
        </Tabs.Panel>
        <Tabs.Panel value="additional">
          <Additional vhost={vhost} />
        </Tabs.Panel>
        <Tabs.Panel value="preview">
          <Preview vhost={vhost} />
        </Tabs.Panel>
      </Tabs>
      <VhostDialog opened={dialog === "edit"} onClose={() => setDialog(null)} vhost={vhost} />
      <DeleteVhost opened={dialog === "delete"} onClose={() => setDialog(null)} vhost={vhost} />
    </Page>
  )
}

/** So much of a file is shown: a browser is no editor for 20,000 routes. */
const SHOWN = 200_000

function Preview({ vhost }: { vhost: Vhost }) {
  const { data: preview, error } = useQuery(queries.vhostPreview(vhost.id))
  if (preview === undefined) {
    return error === null ? <Placeholder /> : <Trouble error={error} title="The file cannot be shown" />
  }
  const text = preview.content ?? ""
  return (
    <>
      <CodeBlock name={preview.filepath} text={text.slice(0, SHOWN)} />
      {text.length > SHOWN && (
        <Text size="sm" c="dimmed" mt="xs">
          The rest of {text.length.toLocaleString("en")} characters is not shown.
        </Text>
      )}
    </>
  )
}

function DeleteVhost({ opened, onClose, vhost }: { opened: boolean; onClose: () => void; vhost: Vhost }) {
  const navigate = useNavigate()
  const { data: topology } = useQuery(queries.topology)
  const routes = (topology?.routes ?? [])
    .filter(bundle => bundle.vhost_id === vhost.id)
    .reduce((sum, bundle) => sum + bundle.enabled + bundle.disabled, 0)
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Delete vhost ${vhost.server_name}?`}
      changes
      verb="Delete vhost"
      act={async () => {
        const params = { path: { vhost_id: vhost.id }, header: ifMatch(vhost) }
        await body(api.DELETE("/api/vhosts/{vhost_id}", { params }))
        done(`Vhost ${vhost.server_name} is deleted.`)
        await navigate("/web/vhosts")
      }}
    >
      {routes > 0
        ? `It has ${routes.toLocaleString("en")} ${routes === 1 ? "route" : "routes"}, and cannot be deleted before they are.`
        : `After the next reload nginx no longer answers to ${vhost.server_name}. No object on any node is touched.`}
    </Confirm>
  )
}
