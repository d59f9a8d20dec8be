import { Anchor, Badge, Button, Group, Menu, Stack, Text } from "@mantine/core"
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { Link, useNavigate, useParams } from "react-router"

import type { Member, Pool } from "../../api/client"
import { api, body, ifMatch } from "../../api/client"
import { queries, usePools } from "../../api/queries"
import { CodeBlock } from "../../components/code-block"
import { Confirm } from "../../components/confirm"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Page, Placeholder, Section } from "../../components/page"
import { RowMenu } from "../../components/row-menu"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { done } from "../../components/toast"
import { Trouble } from "../../components/trouble"
import { Credentials } from "./credentials"
import { MemberDialog, PoolDialog } from "./form"
import { NodeSetup } from "./node-setup"

export function Component() {
  const id = Number(useParams().id)
  const { data: pool, error } = useQuery(queries.pool(id))
  const [dialog, setDialog] = useState<"edit" | "delete" | null>(null)
  const pools = usePools()
  const back = { to: "/web/pools", label: "Pools" }
  if (pool === undefined) {
    return (
      <Page title="Pool" back={back}>
        <Trouble error={error} title="This pool cannot be shown" />
        {error === null && <Placeholder />}
      </Page>
    )
  }
  const source = pools.find(one => one.id === pool.source_nanio_pool_id)
  return (
    <Page
      title={pool.name}
      back={back}
      about={
        <>
          {pool.description !== null && (
            <>
              {pool.description}
              <br />
            </>
          )}
          {pool.lb_method} · keepalive {pool.keepalive}
          {source !== undefined && (
            <>
              {" · serves the files of "}
              <Anchor component={Link} inherit underline="always" to={`/web/pools/${source.id}`}>
                {source.name}
              </Anchor>
            </>
          )}
          {" · changed "}
          <Time at={pool.updated_at} />
        </>
      }
      marks={
        <Badge variant="light" color={pool.type === "nanio" ? "indigo" : "teal"} radius="sm" tt="none">
          {pool.type}
        </Badge>
      }
      actions={
        <>
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
      <Members pool={pool} />
      {pool.type === "nanio" && <Credentials pool={pool} />}
      <Preview pool={pool} />
      <PoolDialog opened={dialog === "edit"} onClose={() => setDialog(null)} pool={pool} />
      <DeletePool opened={dialog === "delete"} onClose={() => setDialog(null)} pool={pool} />
    </Page>
  )
}

function Members({ pool }: { pool: Pool }) {
  const { data: members, error, refetch } = useQuery(queries.members(pool.id))
  const [adding, setAdding] = useState(false)
  const [chosen, setChosen] = useState<{ member: Member; to: "edit" | "delete" | "set up" } | null>(null)
  const add = (
    <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>
      Add member
    </Button>
  )
  const columns: Column<Member>[] = [
    {
      key: "address",
      title: "Address",
      value: member => member.address,
      cell: member => <span className="mono breakable">{member.address}</span>,
    },
    {
      key: "reachable",
      title: "Reachability",
      value: member => reach(member),
      cell: member => <Reach member={member} />,
    },
    { key: "role", title: "Role", value: member => member.role, wide: true },
    { key: "weight", title: "Weight", value: member => member.weight, align: "end", wide: true },
    {
      key: "fails",
      title: "Left out after",
      value: member => member.max_fails,
      cell: member =>
        member.max_fails === 0 ? "never" : `${member.max_fails} failures, for ${member.fail_timeout_s} s`,
      wide: true,
    },
    {
      key: "actions",
      title: "",
      align: "end",
      width: "3rem",
      cell: member => (
        <RowMenu of={member.address}>
          <Menu.Item onClick={() => setChosen({ member, to: "edit" })}>Edit</Menu.Item>
          <Menu.Item onClick={() => setChosen({ member, to: "set up" })}>Set up this node</Menu.Item>
          <Menu.Divider />
          <Menu.Item c="var(--mantine-color-error)" onClick={() => setChosen({ member, to: "delete" })}>
            Delete
          </Menu.Item>
        </RowMenu>
      ),
    },
  ]
  const close = () => setChosen(null)
  return (
    <Section title="Members" actions={add}>
      <Trouble error={error} title="The members cannot be read" onRetry={() => void refetch()} />
      {members === undefined ? (
        error === null && <Placeholder rows={3} />
      ) : (
        <DataTable
          of="members"
          rows={members}
          columns={columns}
          id={member => member.id}
          filterable={members.length > 8}
          empty={
            <Empty title="This pool has no members" action={add}>
              nginx has no upstream of it until there is an enabled member. Add the address of a storage node; “Set up
              this node” then writes the files that it needs.
            </Empty>
          }
        />
      )}
      <MemberDialog opened={adding} onClose={() => setAdding(false)} pool={pool} />
      {chosen !== null && (
        <>
          <MemberDialog opened={chosen.to === "edit"} onClose={close} pool={pool} member={chosen.member} />
          <NodeSetup opened={chosen.to === "set up"} onClose={close} pool={pool} member={chosen.member} />
          <Confirm
            opened={chosen.to === "delete"}
            onClose={close}
            title={`Delete member ${chosen.member.address}?`}
            changes
            verb="Delete member"
            act={async () => {
              const path = { pool_id: pool.id, member_id: chosen.member.id }
              const params = { path, header: ifMatch(chosen.member) }
              await body(api.DELETE("/api/pools/{pool_id}/members/{member_id}", { params }))
              await refetch()
              done(`${chosen.member.address} is no longer a member of ${pool.name}.`)
            }}
          >
            {consequence(members ?? [], chosen.member)} Its data stays on the node.
          </Confirm>
        </>
      )}
    </Section>
  )
}

function consequence(members: readonly Member[], member: Member): string {
  if (!member.enabled) return "nginx does not use it now."
  const left = members.filter(other => other.enabled && other.id !== member.id).length
  if (left === 0)
    return "It is the last enabled member: nginx will have no such upstream, and refuses while a route uses the pool."
  return `After the next reload nginx sends its requests to the ${left === 1 ? "other member" : `other ${left} members`}.`
}

function reach(member: Member): string {
  if (!member.enabled) return "off"
  if (member.reachable === null) return "not looked at yet"
  return member.reachable ? "reachable" : "unreachable"
}

function Reach({ member }: { member: Member }) {
  const word = reach(member)
  const health = word === "reachable" ? "good" : word === "unreachable" ? "bad" : "idle"
  return (
    <Stack gap={0}>
      <Status health={health}>{word}</Status>
      {word === "unreachable" && (
        <Text size="xs" c="dimmed" className="breakable">
          {member.unreachable_because} · since <Time at={member.reachable_since} />
        </Text>
      )}
    </Stack>
  )
}

function Preview({ pool }: { pool: Pool }) {
  const { data: preview, error } = useQuery(queries.poolPreview(pool.id))
  return (
    <Section title="What nginx gets">
      <Trouble error={error} title="The file cannot be shown" />
      {preview === undefined ? (
        error === null && <Placeholder rows={3} />
      ) : preview.content === null ? (
        <Text size="sm" c="dimmed">
          Nothing: a pool without enabled members has no upstream.
        </Text>
      ) : (
        <CodeBlock name={preview.filepath} text={preview.content} />
      )}
    </Section>
  )
}

function DeletePool({ opened, onClose, pool }: { opened: boolean; onClose: () => void; pool: Pool }) {
  const navigate = useNavigate()
  const { data: topology } = useQuery(queries.topology)
  const { data: members } = useQuery(queries.members(pool.id))
  const routes = (topology?.routes ?? [])
    .filter(bundle => bundle.pool_id === pool.id)
    .reduce((sum, bundle) => sum + bundle.enabled + bundle.disabled, 0)
  const defaults = (topology?.vhosts ?? []).filter(vhost => vhost.default_pool_id === pool.id)
  const backs = (topology?.pools ?? []).filter(other => other.source_nanio_pool_id === pool.id)
  const uses = [
    routes > 0 ? `${routes.toLocaleString("en")} ${routes === 1 ? "route uses" : "routes use"} it` : null,
    defaults.length > 0 ? `it is the default pool of ${defaults.map(vhost => vhost.server_name).join(", ")}` : null,
    backs.length > 0 ? `${backs.map(other => other.name).join(", ")} serves its files` : null,
  ].filter(use => use !== null)
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Delete pool ${pool.name}?`}
      changes
      verb="Delete pool"
      act={async () => {
        const params = { path: { pool_id: pool.id }, header: ifMatch(pool) }
        await body(api.DELETE("/api/pools/{pool_id}", { params }))
        done(`Pool ${pool.name} is deleted.`)
        await navigate("/web/pools")
      }}
    >
      {uses.length > 0 ? (
        <>It cannot be deleted while it is used: {uses.join("; ")}. Move these to another pool first.</>
      ) : (
        <Group gap={4}>
          Its {members?.length ?? 0} members, its S3 keys and its nginx file go with it. The data stays on the nodes.
        </Group>
      )}
    </Confirm>
  )
}
