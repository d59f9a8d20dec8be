import { Paper } from "@mantine/core"
import { useState } from "react"

import type { ExtraBlock, Vhost } from "../../api/client"
import { api, body, ifMatch } from "../../api/client"
import { Problem } from "../../api/problem"
import type { Read } from "../../forms/entity-form"
import { EntityForm } from "../../forms/entity-form"
import type { FieldSpec } from "../../forms/field"
import type { Values } from "../../forms/values"

export const ZONES = ["top", "ssl", "proxy", "end"] as const

const PLACES: Record<(typeof ZONES)[number], string> = {
  top: "after server_name and the access rules",
  ssl: "after the certificate",
  proxy: "after the proxy settings",
  end: "before the end of the server block",
}

const FIELDS: FieldSpec[] = [
  {
    name: "ip_rule_mode",
    label: "Who may connect",
    kind: "choice",
    clearable: true,
    placeholder: "Everybody",
    options: [
      { value: "allow", label: "Only the addresses below" },
      { value: "deny", label: "Everybody but the addresses below" },
    ],
  },
  {
    name: "ips",
    label: "Addresses and networks",
    kind: "code",
    placeholder: "10.0.0.0/8\n2001:db8::/32",
    about: "One a line: IPv4 or IPv6, with or without a prefix length.",
    when: values => values.ip_rule_mode !== null,
  },
  ...ZONES.map((zone): FieldSpec => ({
    name: zone,
    label: `Extra block: ${zone}`,
    kind: "code",
    about: `Raw nginx directives ${PLACES[zone]}. nginx tests them before anything is written.`,
  })),
]

/** Access rules and extra blocks of a vhost. */
export function Additional({ vhost }: { vhost: Vhost }) {
  // After a change the form begins anew, with what came of it: what is read again comes a moment later.
  const [saved, setSaved] = useState<Vhost | null>(null)
  const latest = saved !== null && saved.revision > vhost.revision ? saved : vhost
  const path = { vhost_id: vhost.id }
  return (
    <Paper className="panel" p="md" maw="52rem">
      <EntityForm
        key={saved?.revision}
        fields={FIELDS}
        base={read(latest)}
        reread={async () => read(await body(api.GET("/api/vhosts/{vhost_id}", { params: { path } })))}
        save={async (changed, revision, all) => {
          const sent = asPatch(changed, all)
          const saved = api.PUT("/api/vhosts/{vhost_id}", {
            params: { path, header: ifMatch({ revision }) },
            body: sent as never,
          })
          return body(saved).catch((thrown: unknown) => {
            throw placed(Problem.from(thrown), (sent.extra_blocks ?? []) as ExtraBlock[])
          })
        }}
        verb="Save"
        said={() => `${vhost.server_name} is saved. nginx runs it after the next reload.`}
        onDone={answer => setSaved(answer as Vhost)}
      />
    </Paper>
  )
}

function read(vhost: Vhost): Read {
  const zone = (name: string) =>
    (vhost.extra_blocks ?? [])
      .filter(block => block.zone === name)
      .map(block => block.content)
      .join("\n")
  return {
    revision: vhost.revision,
    values: {
      ip_rule_mode: vhost.ip_rule_mode,
      ips: (vhost.ip_rule_ips ?? []).join("\n"),
      ...Object.fromEntries(ZONES.map(name => [name, zone(name)])),
    },
  }
}

/** The fields of the form that were changed, as the API takes them: lists are always whole. */
export function asPatch(changed: Values, values: Values): Record<string, unknown> {
  const patch: Record<string, unknown> = {}
  if ("ip_rule_mode" in changed || "ips" in changed) {
    const lines = String(values.ips ?? "").split("\n")
    patch.ip_rule_mode = values.ip_rule_mode
    patch.ip_rule_ips = values.ip_rule_mode === null ? null : lines.map(line => line.trim()).filter(line => line !== "")
  }
  if (ZONES.some(zone => zone in changed)) {
    patch.extra_blocks = ZONES.flatMap(zone => {
      const content = String(values[zone] ?? "")
      return content.trim() === "" ? [] : [{ zone, content }]
    })
  }
  return patch
}

/** The same problem, each fault beside the field of the form that it is about. */
export function placed(problem: Problem, blocks: readonly ExtraBlock[]): Problem {
  const fields: Record<string, string> = {}
  for (const [name, message] of Object.entries(problem.fields)) {
    const [field, index] = name.split(".")
    const number = Number(index)
    if (field === "ip_rule_ips") {
      const text = index === undefined ? message : `address ${number + 1}: ${message}`
      fields.ips = fields.ips === undefined ? text : `${fields.ips}; ${text}`
    } else if (field === "extra_blocks" && index !== undefined) fields[blocks[number]?.zone ?? name] = message
    else fields[name] = message
  }
  return new Problem(problem.status, problem.message, fields)
}
