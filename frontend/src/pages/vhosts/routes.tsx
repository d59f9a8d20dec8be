import { Anchor, Badge, Button, Menu } from "@mantine/core"
import { IconPlus, IconTrash } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { Link } from "react-router"

import type { Pool, Route, Vhost } from "../../api/client"
import { api, body, ifMatch } from "../../api/client"
import { queries, usePools } from "../../api/queries"
import type { Column } from "../../components/data-table"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Placeholder } from "../../components/page"
import { RowMenu } from "../../components/row-menu"
import { Status } from "../../components/status"
import { Trouble } from "../../components/trouble"
import type { Read } from "../../forms/entity-form"
import { FormDialog } from "../../forms/entity-form"
import type { FieldSpec } from "../../forms/field"
import { DeleteRoutes } from "./delete-routes"

/** The routes of a vhost. */
export function Routes({ vhost }: { vhost: Vhost }) {
  const { data: routes, error, refetch } = useQuery(queries.routes(vhost.id))
  const [adding, setAdding] = useState(false)
  const [edited, setEdited] = useState<Route | null>(null)
  const [selected, setSelected] = useState<Set<number | string>>(new Set())
  const [doomed, setDoomed] = useState<Route[]>([])
  // Of those that were selected, some may be gone by now.
  const chosen = (routes ?? []).filter(route => selected.has(route.id))
  const add = (
    <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>
      Add route
    </Button>
  )
  return (
    <>
      <Trouble error={error} title="The routes cannot be read" onRetry={() => void refetch()} />
      {routes === undefined ? (
        error === null && <Placeholder rows={5} />
      ) : (
        <DataTable
          of="routes"
          rows={routes}
          columns={columns((route, to) => (to === "edit" ? setEdited(route) : setDoomed([route])))}
          id={route => route.id}
          selected={selected}
          selectable={isOwn}
          onSelect={setSelected}
          tools={
            <>
              {chosen.length > 0 && (
                <Button
                  size="xs"
                  variant="default"
                  c="var(--mantine-color-error)"
                  leftSection={<IconTrash size={14} />}
                  onClick={() => setDoomed(chosen)}
                >
                  Delete {chosen.length.toLocaleString("en")} selected
                </Button>
              )}
              {add}
            </>
          }
          empty={
            <Empty title="This vhost has no routes" action={add}>
              A route sends the requests for a bucket to a pool of its own. Without a default pool and without routes,
              nginx answers 404 to everything.
            </Empty>
          }
        />
      )}
      <RouteDialog opened={adding} onClose={() => setAdding(false)} vhost={vhost} />
      {edited !== null && <RouteDialog opened onClose={() => setEdited(null)} vhost={vhost} route={edited} />}
      {doomed.length > 0 && <DeleteRoutes onClose={() => setDoomed([])} vhost={vhost} routes={doomed} />}
    </>
  )
}

/** Whether it is more than what follows from the default pool. */
const isOwn = (route: Route) => route.path_prefix !== "/"

function columns(choose: (route: Route, to: "edit" | "delete") => void): Column<Route>[] {
  return [
    {
      key: "prefix",
      title: "Prefix",
      value: route => route.path_prefix,
      cell: route => (
        <>
          <span className="mono breakable">{route.path_prefix}</span>{" "}
          {!isOwn(route) && (
            <Badge size="sm" variant="light" color="gray" radius="sm" tt="none" title="Follows the default pool">
              automatic
            </Badge>
          )}
        </>
      ),
    },
    {
      key: "pool",
      title: "Pool",
      value: route => route.pool_name,
      cell: route => (
        <Anchor component={Link} to={`/web/pools/${route.pool_id}`} size="sm">
          {route.pool_name}
        </Anchor>
      ),
    },
    {
      key: "extras",
      title: "Extras",
      value: route => [route.key_prefix, route.extra_directives].filter(Boolean).join(" "),
      cell: route =>
        [
          route.key_prefix === null ? null : `key prefix ${route.key_prefix}`,
          route.extra_directives === null ? null : "extra directives",
        ]
          .filter(Boolean)
          .join(", "),
      wide: true,
    },
    {
      key: "enabled",
      title: "State",
      value: route => route.enabled,
      cell: route => <Status health={route.enabled ? "good" : "idle"}>{route.enabled ? "on" : "off"}</Status>,
    },
    {
      key: "actions",
      title: "",
      align: "end",
      width: "3rem",
      cell: route =>
        !isOwn(route) ? null : (
          <RowMenu of={route.path_prefix}>
            <Menu.Item onClick={() => choose(route, "edit")}>Edit</Menu.Item>
            <Menu.Item c="var(--mantine-color-error)" onClick={() => choose(route, "delete")}>
              Delete
            </Menu.Item>
          </RowMenu>
        ),
    },
  ]
}

function routeFields(pools: Pool[], vhost: Vhost): FieldSpec[] {
  const kind = pools.find(pool => pool.id === vhost.default_pool_id)?.type
  const fitting = pools.filter(pool => kind === undefined || pool.type === kind)
  const isHttp = (id: unknown) => pools.find(pool => pool.id === id)?.type === "http"
  return [
    {
      name: "path_prefix",
      label: "Prefix",
      kind: "text",
      required: true,
      placeholder: "/bucket/",
      about: "The bucket with a slash on both sides; rarely a part of it.",
    },
    {
      name: "pool_id",
      label: "Pool",
      kind: "choice",
      numeric: true,
      required: true,
      placeholder: "Choose a pool",
      about: kind === undefined ? undefined : `Of type ${kind}, as the default pool of this vhost.`,
      options: fitting.map(pool => ({ value: String(pool.id), label: pool.name })),
    },
    {
      name: "key_prefix",
      label: "Key prefix",
      kind: "text",
      clearable: true,
      when: values => isHttp(values.pool_id),
      about: "What replaces the prefix on the way to the pool.",
    },
    {
      name: "extra_directives",
      label: "Extra directives",
      kind: "code",
      clearable: true,
      about: "Raw nginx directives for this route alone.",
    },
    { name: "enabled", label: "Enabled", kind: "switch", about: "Off takes the route out of nginx." },
  ]
}

const readRoute = (route: Route): Read => ({
  revision: route.revision,
  values: {
    path_prefix: route.path_prefix,
    pool_id: route.pool_id,
    key_prefix: route.key_prefix ?? "",
    extra_directives: route.extra_directives ?? "",
    enabled: route.enabled,
  },
})

interface DialogProps {
  opened: boolean
  onClose: () => void
  vhost: Vhost
}

function RouteDialog({ opened, onClose, vhost, route }: DialogProps & { route?: Route }) {
  const fields = routeFields(usePools(), vhost)
  if (route === undefined) {
    return (
      <FormDialog
        opened={opened}
        onClose={onClose}
        title={`Add a route to ${vhost.server_name}`}
        fields={fields}
        start={{ path_prefix: "", pool_id: null, key_prefix: "", extra_directives: "", enabled: true }}
        save={values =>
          body(
            api.POST("/api/vhosts/{vhost_id}/routes", {
              params: { path: { vhost_id: vhost.id } },
              body: values as never,
            }),
          )
        }
        verb="Add route"
        said={values => `Route ${values.path_prefix} is there. nginx uses it after the next reload.`}
        onDone={onClose}
      />
    )
  }
  const path = { vhost_id: vhost.id, route_id: route.id }
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={`Edit route ${route.path_prefix}`}
      fields={fields}
      base={readRoute(route)}
      reread={async () =>
        readRoute(await body(api.GET("/api/vhosts/{vhost_id}/routes/{route_id}", { params: { path } })))
      }
      save={(values, revision) =>
        body(
          api.PUT("/api/vhosts/{vhost_id}/routes/{route_id}", {
            params: { path, header: ifMatch({ revision }) },
            body: values as never,
          }),
        )
      }
      verb="Save"
      said={(values, answer) => {
        const migration = (answer as Route).migration_id
        return migration === null
          ? `Route ${values.path_prefix} is saved. nginx uses it after the next reload.`
          : `Migration ${migration} carries the objects over; the route changes its pool when it is done.`
      }}
      onDone={onClose}
    />
  )
}
