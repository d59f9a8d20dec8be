import type { Pool, Vhost } from "../../api/client"
import { api, body, ifMatch } from "../../api/client"
import { usePools } from "../../api/queries"
import type { Read } from "../../forms/entity-form"
import { FormDialog } from "../../forms/entity-form"
import type { FieldSpec } from "../../forms/field"
import type { Values } from "../../forms/values"

const isTls = (values: Values) => values.ssl === true

function vhostFields(pools: Pool[]): FieldSpec[] {
  return [
    {
      name: "server_name",
      label: "Server name",
      kind: "text",
      required: true,
      placeholder: "s3.example.org",
      about: "The host name that clients ask for; *. in front makes it a wildcard.",
    },
    { name: "listen_port", label: "Port", kind: "number", min: 1, max: 65535 },
    {
      name: "ssl",
      label: "TLS",
      kind: "switch",
      about: "nginx ends TLS on this port; it needs a certificate and its key.",
    },
    {
      name: "ssl_certificate",
      label: "Certificate chain",
      kind: "text",
      clearable: true,
      when: isTls,
      required: true,
      placeholder: "/etc/ssl/s3.example.org/fullchain.pem",
    },
    {
      name: "ssl_certificate_key",
      label: "Private key",
      kind: "text",
      clearable: true,
      when: isTls,
      required: true,
      placeholder: "/etc/ssl/s3.example.org/privkey.pem",
    },
    {
      name: "default_pool_id",
      label: "Default pool",
      kind: "choice",
      numeric: true,
      clearable: true,
      about: "Serves everything that has no route of its own. Without it, only routes are served.",
      options: pools.map(pool => ({ value: String(pool.id), label: `${pool.name} (${pool.type})` })),
    },
    {
      name: "extra_directives",
      label: "Extra directives",
      kind: "code",
      clearable: true,
      placeholder: "client_max_body_size 0;",
      about: "Raw nginx directives after the proxy settings. nginx tests them before anything is written.",
    },
    { name: "enabled", label: "Enabled", kind: "switch", about: "Off takes the vhost out of nginx." },
  ]
}

const readVhost = (vhost: Vhost): Read => ({
  revision: vhost.revision,
  values: {
    server_name: vhost.server_name,
    listen_port: vhost.listen_port,
    ssl: vhost.ssl,
    ssl_certificate: vhost.ssl_certificate ?? "",
    ssl_certificate_key: vhost.ssl_certificate_key ?? "",
    default_pool_id: vhost.default_pool_id,
    extra_directives: vhost.extra_directives ?? "",
    enabled: vhost.enabled,
  },
})

const START: Values = {
  server_name: "",
  listen_port: 443,
  ssl: true,
  ssl_certificate: "",
  ssl_certificate_key: "",
  default_pool_id: null,
  extra_directives: "",
  enabled: true,
}

/** Makes a vhost, or changes `vhost`. */
export function VhostDialog({ opened, onClose, vhost }: { opened: boolean; onClose: () => void; vhost?: Vhost }) {
  const fields = vhostFields(usePools())
  if (vhost === undefined) {
    return (
      <FormDialog
        opened={opened}
        onClose={onClose}
        title="New vhost"
        fields={fields}
        start={START}
        save={values => body(api.POST("/api/vhosts", { body: values as never }))}
        verb="Create vhost"
        said={values => `Vhost ${values.server_name} is there. nginx serves it after the next reload.`}
        onDone={onClose}
      />
    )
  }
  const path = { vhost_id: vhost.id }
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={`Edit vhost ${vhost.server_name}`}
      fields={fields}
      base={readVhost(vhost)}
      reread={async () => readVhost(await body(api.GET("/api/vhosts/{vhost_id}", { params: { path } })))}
      save={(values, revision) =>
        body(
          api.PUT("/api/vhosts/{vhost_id}", { params: { path, header: ifMatch({ revision }) }, body: values as never }),
        )
      }
      verb="Save"
      said={values => `Vhost ${values.server_name} is saved. nginx runs it after the next reload.`}
      onDone={onClose}
    />
  )
}
