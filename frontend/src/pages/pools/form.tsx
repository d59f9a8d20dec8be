import type { Member, Pool } from "../../api/client"
import { api, body, ifMatch } from "../../api/client"
import { usePools } from "../../api/queries"
import type { Read } from "../../forms/entity-form"
import { FormDialog } from "../../forms/entity-form"
import type { FieldSpec } from "../../forms/field"
import type { Values } from "../../forms/values"

const LB_METHODS = [
  { value: "least_conn", label: "least_conn: to the member with the fewest open connections" },
  { value: "round_robin", label: "round_robin: to each in turn" },
  { value: "ip_hash", label: "ip_hash: a client always to the same member" },
]

function poolFields(pools: Pool[], pool: Pool | undefined): FieldSpec[] {
  const isHttp = (values: Values) => values.type === "http"
  const backing = pools.filter(one => one.type === "nanio" && one.id !== pool?.id)
  return [
    {
      name: "name",
      label: "Name",
      kind: "text",
      required: true,
      placeholder: "pool-2026",
      about: "Letters, digits, . _ and -. It names the nginx upstream and its file.",
    },
    { name: "description", label: "Description", kind: "text", clearable: true },
    {
      name: "type",
      label: "Type",
      kind: "choice",
      readOnly: pool !== undefined,
      about: pool === undefined ? "It cannot be changed here later." : undefined,
      options: [
        { value: "nanio", label: "nanio: S3 over shared storage, every member serves everything" },
        { value: "http", label: "http: plain files, read only, with primaries and replicas" },
      ],
    },
    { name: "lb_method", label: "Load balancing", kind: "choice", options: LB_METHODS },
    {
      name: "keepalive",
      label: "Keepalive",
      kind: "number",
      min: 0,
      max: 1024,
      about: "Idle connections to members that each nginx worker keeps: 1 to 1024.",
    },
    {
      name: "source_nanio_pool_id",
      label: "Backing nanio pool",
      kind: "choice",
      numeric: true,
      clearable: true,
      when: isHttp,
      about: "The nanio pool whose files it serves. Migrations of that pool then carry this one along.",
      options: backing.map(one => ({ value: String(one.id), label: one.name })),
    },
  ]
}

const readPool = (pool: Pool): Read => ({
  revision: pool.revision,
  values: {
    name: pool.name,
    description: pool.description ?? "",
    type: pool.type,
    lb_method: pool.lb_method,
    keepalive: pool.keepalive,
    source_nanio_pool_id: pool.source_nanio_pool_id,
  },
})

/** Makes a pool, or changes `pool`. */
export function PoolDialog({ opened, onClose, pool }: { opened: boolean; onClose: () => void; pool?: Pool }) {
  const fields = poolFields(usePools(), pool)
  if (pool === undefined) {
    return (
      <FormDialog
        opened={opened}
        onClose={onClose}
        title="New pool"
        fields={fields}
        start={{
          name: "",
          description: "",
          type: "nanio",
          lb_method: "least_conn",
          keepalive: 32,
          source_nanio_pool_id: null,
        }}
        save={values => body(api.POST("/api/pools", { body: values as never }))}
        verb="Create pool"
        said={values => `Pool ${values.name} is there. Add its members now.`}
        onDone={onClose}
      />
    )
  }
  const path = { pool_id: pool.id }
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={`Edit pool ${pool.name}`}
      fields={fields}
      base={readPool(pool)}
      reread={async () => readPool(await body(api.GET("/api/pools/{pool_id}", { params: { path } })))}
      save={(values, revision) =>
        body(
          api.PUT("/api/pools/{pool_id}", { params: { path, header: ifMatch({ revision }) }, body: values as never }),
        )
      }
      verb="Save"
      said={values => `Pool ${values.name} is saved.`}
      onDone={onClose}
    />
  )
}

function memberFields(pool: Pool): FieldSpec[] {
  const roles = pool.type === "nanio" ? ["active"] : ["primary", "replica"]
  return [
    {
      name: "address",
      label: "Address",
      kind: "text",
      required: true,
      placeholder: pool.type === "nanio" ? "10.0.0.5:9000" : "10.0.0.5:80",
      about: "host:port, [IPv6]:port or unix:/path/to/socket",
    },
    {
      name: "role",
      label: "Role",
      kind: "choice",
      about: pool.type === "nanio" ? undefined : "Replicas are used when no primary can serve.",
      options: roles.map(role => ({ value: role, label: role })),
    },
    {
      name: "weight",
      label: "Weight",
      kind: "number",
      min: 1,
      max: 100,
      about: "Its share of the requests: 1 to 100.",
    },
    { name: "max_fails", label: "Failures until it is left out", kind: "number", max: 100, about: "0: never." },
    { name: "fail_timeout_s", label: "Left out for (seconds)", kind: "number", max: 600 },
    { name: "enabled", label: "Enabled", kind: "switch", about: "Off takes it out of nginx." },
  ]
}

const readMember = (member: Member): Read => ({
  revision: member.revision,
  values: {
    address: member.address,
    role: member.role,
    weight: member.weight,
    max_fails: member.max_fails,
    fail_timeout_s: member.fail_timeout_s,
    enabled: member.enabled,
  },
})

interface MemberProps {
  opened: boolean
  onClose: () => void
  pool: Pool
  member?: Member
}

/** Adds a member to a pool, or changes `member`. */
export function MemberDialog({ opened, onClose, pool, member }: MemberProps) {
  const fields = memberFields(pool)
  if (member === undefined) {
    const role = pool.type === "nanio" ? "active" : "primary"
    return (
      <FormDialog
        opened={opened}
        onClose={onClose}
        title={`Add a member to ${pool.name}`}
        fields={fields}
        start={{ address: "", role, weight: 1, max_fails: 3, fail_timeout_s: 30, enabled: true }}
        save={values =>
          body(
            api.POST("/api/pools/{pool_id}/members", { params: { path: { pool_id: pool.id } }, body: values as never }),
          )
        }
        verb="Add member"
        said={values => `${values.address} is a member of ${pool.name}. nginx uses it after the next reload.`}
        onDone={onClose}
      />
    )
  }
  const path = { pool_id: pool.id, member_id: member.id }
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={`Edit member ${member.address}`}
      fields={fields}
      base={readMember(member)}
      reread={async () =>
        readMember(await body(api.GET("/api/pools/{pool_id}/members/{member_id}", { params: { path } })))
      }
      save={(values, revision) =>
        body(
          api.PUT("/api/pools/{pool_id}/members/{member_id}", {
            params: { path, header: ifMatch({ revision }) },
            body: values as never,
          }),
        )
      }
      verb="Save"
      said={values => `Member ${values.address} is saved. nginx uses it after the next reload.`}
      onDone={onClose}
    />
  )
}
