import {
  Alert,
  Button,
  Group,
  List,
  PasswordInput,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from "@mantine/core"
import { useMutation, useQuery } from "@tanstack/react-query"
import type { FormEvent } from "react"
import { useState } from "react"

import type { Member, NodeConfig, Pool } from "../../api/client"
import { api, body } from "../../api/client"
import { Problem } from "../../api/problem"
import { queries } from "../../api/queries"
import { CodeBlock } from "../../components/code-block"
import { Download } from "../../components/copy"
import { Dialog } from "../../components/dialog"
import { Placeholder } from "../../components/page"
import { Trouble } from "../../components/trouble"

type Kind = NodeConfig["node_type"]

const KINDS: Record<Kind, string> = {
  "nanio-only": "nanio",
  "nginx-nanio": "nginx in front of nanio",
  "nginx-only": "nginx with files",
}

interface Props {
  opened: boolean
  onClose: () => void
  pool: Pool
  member: Member
}

/** Writes the files that a storage node needs, to be copied or saved. */
export function NodeSetup({ opened, onClose, pool, member }: Props) {
  const { data: summary, error } = useQuery({ ...queries.nodeSummary(pool.id), enabled: opened })
  const mine = summary?.find(one => one.member.id === member.id)
  return (
    <Dialog opened={opened} onClose={onClose} title={`Set up ${member.address}`} size="xl" closeOnClickOutside={false}>
      <Trouble error={error} />
      {mine === undefined
        ? error === null && <Placeholder />
        : opened && (
            <Wizard pool={pool} member={member} suggested={mine.suggested_type as Kind} port={mine.nanio_port} />
          )}
    </Dialog>
  )
}

function Wizard({
  pool,
  member,
  suggested,
  port: own,
}: {
  pool: Pool
  member: Member
  suggested: Kind
  port: number | null
}) {
  const kinds: Kind[] = pool.type === "nanio" ? ["nanio-only", "nginx-nanio"] : ["nginx-only"]
  const [kind, setKind] = useState<Kind>(kinds.includes(suggested) ? suggested : (kinds[0] ?? suggested))
  const [directory, setDirectory] = useState("/data")
  const [port, setPort] = useState(String(own ?? 9000))
  const [host, setHost] = useState("0.0.0.0")
  const [region, setRegion] = useState("us-east-1")
  const [access, setAccess] = useState("")
  const [secret, setSecret] = useState("")
  const {
    mutate,
    data: config,
    isPending,
    error,
  } = useMutation({
    mutationFn: () =>
      body(
        api.POST("/api/pools/{pool_id}/members/{member_id}/node-config", {
          params: { path: { pool_id: pool.id, member_id: member.id } },
          body: {
            node_type: kind,
            data_dir: directory,
            nanio_port: Number(port),
            nanio_host: host,
            nanio_region: region,
            access_key: access === "" ? null : access,
            secret_key: secret === "" ? null : secret,
          },
        }),
      ),
  })
  const fields = error === null ? {} : Problem.from(error).fields
  const submit = (event: FormEvent) => {
    event.preventDefault()
    mutate()
  }
  const nanio = kind !== "nginx-only"
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack>
        <Stack gap={4}>
          <Text size="sm" fw={600} id="node-kind">
            What runs on the node
          </Text>
          <SegmentedControl
            aria-labelledby="node-kind"
            value={kind}
            onChange={value => setKind(value as Kind)}
            data={kinds.map(value => ({ value, label: KINDS[value] }))}
          />
        </Stack>
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <TextInput
            label="Data directory"
            value={directory}
            error={fields.data_dir}
            onChange={event => setDirectory(event.currentTarget.value)}
          />
          {nanio && (
            <>
              <TextInput
                label="Port of nanio"
                value={port}
                error={fields.nanio_port}
                onChange={event => setPort(event.currentTarget.value)}
              />
              <TextInput
                label="Address that nanio binds"
                value={host}
                error={fields.nanio_host}
                onChange={event => setHost(event.currentTarget.value)}
              />
              <TextInput
                label="Region"
                value={region}
                error={fields.nanio_region}
                onChange={event => setRegion(event.currentTarget.value)}
              />
              <TextInput
                label="Access key"
                description="What clients sign their requests with."
                value={access}
                error={fields.access_key}
                onChange={event => setAccess(event.currentTarget.value)}
                autoComplete="off"
              />
              <PasswordInput
                label="Secret key"
                description="Shown in the files below, kept nowhere."
                value={secret}
                error={fields.secret_key}
                onChange={event => setSecret(event.currentTarget.value)}
                autoComplete="new-password"
              />
            </>
          )}
        </SimpleGrid>
        <Trouble
          error={error}
          beside={["data_dir", "nanio_port", "nanio_host", "nanio_region", "access_key", "secret_key"]}
          title="No files were made"
        />
        <Group justify="flex-end">
          <Button type="submit" loading={isPending}>
            {config === undefined ? "Make the files" : "Make them again"}
          </Button>
        </Group>
        {config !== undefined && <Files config={config} />}
      </Stack>
    </form>
  )
}

function Files({ config }: { config: NodeConfig }) {
  return (
    <>
      {config.warnings.length > 0 && (
        <Alert color="yellow" title="Look at this before you use them">
          <List size="sm">
            {config.warnings.map(warning => (
              <List.Item key={warning}>{warning}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {config.files.map(file => (
        <CodeBlock
          key={file.path}
          name={file.path}
          text={file.content}
          actions={<Download text={file.content} name={file.path.split("/").at(-1) ?? "file"} />}
        />
      ))}
      <CodeBlock name="What to do on the node" text={config.instructions} />
    </>
  )
}
