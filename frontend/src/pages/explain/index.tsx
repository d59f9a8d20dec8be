import { Alert, Anchor, Button, Group, List, Stack, Text, TextInput } from "@mantine/core"
import { IconHelpCircle, IconRoute } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { Link, useSearchParams } from "react-router"

import type { Explanation } from "../../api/client"
import type { ExplainQuery } from "../../api/queries"
import { queries } from "../../api/queries"
import { Empty } from "../../components/empty"
import { Page, Placeholder, Section } from "../../components/page"
import type { Health } from "../../components/status"
import { Status } from "../../components/status"
import { Trouble } from "../../components/trouble"
import { readRequest } from "./request"

/** Where a request would go, and why. What is asked stands in the address, so that it can be sent to a colleague. */
export function Component() {
  const [search, setSearch] = useSearchParams()
  const [typed, setTyped] = useState(search.get("q") ?? "")
  const [from, setFrom] = useState(search.get("from") ?? "")
  const [copySource, setCopySource] = useState(search.get("copy_source") ?? "")
  // The fields follow the address, for instance on the way back to the question before.
  const [at, setAt] = useState(search)
  if (at !== search) {
    setAt(search)
    setTyped(search.get("q") ?? "")
    setFrom(search.get("from") ?? "")
    setCopySource(search.get("copy_source") ?? "")
  }
  const asked = question(search)
  const { data, error, isFetching } = useQuery({ ...queries.explain(asked ?? NOTHING), enabled: asked !== null })
  const ask = () => {
    const filled = Object.entries({ q: typed.trim(), from: from.trim(), copy_source: copySource.trim() })
    setSearch(Object.fromEntries(filled.filter(([, value]) => value !== "")))
  }
  const unreadable = typed.trim() !== "" && readRequest(typed) === null
  return (
    <Page
      title="Explain"
      about="Where nginx would send a request, and why. Nothing is sent: the answer comes from what nginx was given, migrations included."
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          ask()
        }}
      >
        <Stack gap="sm" className="panel" p="md">
          <TextInput
            label="Request"
            description="Method and address as the client sends them; the path is not decoded"
            placeholder="GET https://s3.example.com/photos/2026/cat.jpg"
            classNames={{ input: "mono" }}
            value={typed}
            onChange={event => setTyped(event.currentTarget.value)}
            error={unreadable ? "A method, then an address or a path, without spaces in them" : undefined}
            data-filter
            autoFocus
          />
          <Group align="end" gap="sm">
            <TextInput
              label="Client's address"
              placeholder="any"
              value={from}
              onChange={event => setFrom(event.currentTarget.value)}
            />
            <TextInput
              label="x-amz-copy-source"
              placeholder="none"
              value={copySource}
              onChange={event => setCopySource(event.currentTarget.value)}
            />
            <Button
              type="submit"
              leftSection={<IconRoute size={16} />}
              loading={isFetching}
              disabled={unreadable || typed.trim() === ""}
            >
              Explain
            </Button>
          </Group>
        </Stack>
      </form>
      <Trouble error={error} title="This request cannot be explained" />
      {asked === null ? (
        <Empty title="Which request?">
          Type one above, for instance one that a client complains of. The answer names server block, route, pool and
          members, and every rule that led there.
        </Empty>
      ) : data === undefined ? (
        error === null && <Placeholder rows={4} />
      ) : (
        <Answer answer={data} />
      )}
    </Page>
  )
}

const NOTHING: ExplainQuery = { method: "GET", path: "/" }

function question(search: URLSearchParams): ExplainQuery | null {
  const read = readRequest(search.get("q") ?? "")
  if (read === null) return null
  const [from, copy_source] = [search.get("from"), search.get("copy_source")]
  return { ...read, ...(from === null ? {} : { from }), ...(copy_source === null ? {} : { copy_source }) }
}

const VERDICTS: Record<string, Health> = { pool: "good", gate: "warn", answer: "bad", no_connection: "bad" }

function Answer({ answer }: { answer: Explanation }) {
  return (
    <Stack>
      <Stack gap="xs" className="panel" p="md" role="region" aria-label="Answer" aria-live="polite">
        <Status health={VERDICTS[answer.verdict] ?? "idle"}>
          <Text component="span" fw={600} className="breakable">
            {answer.summary}
          </Text>
        </Status>
        <Steps answer={answer} />
      </Stack>
      {answer.uncertain.length > 0 && (
        <Alert color="yellow" icon={<IconHelpCircle />} title="It may be otherwise">
          {answer.uncertain.map(reason => (
            <Text key={reason} size="sm" className="breakable">
              {reason}
            </Text>
          ))}
        </Alert>
      )}
      <Section title="Why">
        <List type="ordered" size="sm" spacing={6} className="breakable">
          {answer.why.map(rule => (
            <List.Item key={rule}>{rule}</List.Item>
          ))}
        </List>
      </Section>
      {answer.directives.length > 0 && (
        <Section title="Directives that apply">
          <Stack gap={4} className="panel" px="md" py="sm">
            {answer.directives.map(directive => (
              <Text key={directive} size="sm" className="mono breakable">
                {directive}
              </Text>
            ))}
          </Stack>
        </Section>
      )}
    </Stack>
  )
}

/** Server block, route, pool, members: each with what is known of it. */
function Steps({ answer: { vhost, route, pool, migration, port, tls } }: { answer: Explanation }) {
  const to = (path: string, text: string) => (
    <Anchor component={Link} to={path} inherit underline="always" className="breakable">
      {text}
    </Anchor>
  )
  return (
    <Stack gap={4}>
      <Text size="sm" className="breakable">
        Port {port}, {tls ? "TLS" : "no TLS"}
        {vhost !== null && <> · vhost {to(`/web/vhosts/${vhost.id}`, vhost.server_name)}</>}
        {vhost !== null && route !== null && <> · route {to(`/web/vhosts/${vhost.id}`, route.path_prefix)}</>}
        {pool !== null && <> · pool {to(`/web/pools/${pool.id}`, pool.name)}</>}
      </Text>
      {pool !== null && (
        <Text size="sm" className="breakable">
          {pool.members.length === 0 ? "No member can be asked." : `${METHODS[pool.lb_method] ?? pool.lb_method} of `}
          {pool.members.map(member => `${member.address}${member.backup ? " (backup)" : ""}`).join(", ")}
          {pool.disabled > 0 && ` · ${pool.disabled} disabled`}
        </Text>
      )}
      {migration !== null && (
        <Text size="sm" className="breakable">
          {to(`/web/migrations?migration=${migration.id}`, `Migration ${migration.id}`)} moves {migration.bucket} from{" "}
          {migration.src_pool_name} to {migration.dst_pool_name} ({migration.phase}): reads go to the{" "}
          {migration.reads ?? "route's pool"}, writes to the {migration.writes ?? "route's pool"}.
        </Text>
      )}
    </Stack>
  )
}

const METHODS: Record<string, string> = {
  least_conn: "The least busy",
  round_robin: "One after the other",
  ip_hash: "By the client's address, one",
  random: "Any",
}
