import { Modal, TextInput } from "@mantine/core"
import { IconSearch } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import type { KeyboardEvent } from "react"
import { useEffect, useRef, useState } from "react"
import { useNavigate } from "react-router"

import { queries } from "../api/queries"
import { useCover } from "./covers"
import classes from "./palette.module.css"

interface Entry {
  kind: string
  label: string
  to: string
}

const FIXED: Entry[] = [
  { kind: "Page", label: "Dashboard", to: "/" },
  { kind: "Page", label: "Pools", to: "/web/pools" },
  { kind: "Page", label: "Vhosts", to: "/web/vhosts" },
  { kind: "Page", label: "Buckets", to: "/web/buckets" },
  { kind: "Page", label: "Buckets of a pool", to: "/web/buckets?by=pool" },
  { kind: "Page", label: "Jobs: purges at work", to: "/web/buckets?by=jobs" },
  { kind: "Page", label: "Migrations", to: "/web/migrations" },
  { kind: "Page", label: "Config", to: "/web/config" },
  { kind: "Page", label: "History of changes, and the way back", to: "/web/config?tab=history" },
  { kind: "Page", label: "The gateway as a document: plan and apply", to: "/web/config?tab=document" },
  { kind: "Page", label: "Explain: where does a request go?", to: "/web/explain" },
  { kind: "Page", label: "Audit", to: "/web/audit" },
  { kind: "Page", label: "Settings", to: "/web/settings" },
  { kind: "Do", label: "New pool", to: "/web/pools?new" },
  { kind: "Do", label: "New vhost", to: "/web/vhosts?new" },
  { kind: "Do", label: "Move a bucket", to: "/web/migrations?new" },
  { kind: "Do", label: "Reload nginx", to: "/web/config?reload" },
  { kind: "Do", label: "Test the configuration", to: "/web/config?validate" },
]
const MOST = 18

/** Goes anywhere by a few letters. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate()
  useCover(true, onClose, true)
  const { data: pools } = useQuery(queries.pools)
  const { data: vhosts } = useQuery(queries.vhosts)
  const [text, setText] = useState("")
  const [at, setAt] = useState(0)
  const list = useRef<HTMLUListElement>(null)
  const entries: Entry[] = [
    ...FIXED,
    ...(pools ?? []).map(pool => ({ kind: "Pool", label: pool.name, to: `/web/pools/${pool.id}` })),
    ...(vhosts ?? []).map(vhost => ({ kind: "Vhost", label: vhost.server_name, to: `/web/vhosts/${vhost.id}` })),
  ]
  const found = find(entries, text)
  const chosen = Math.min(at, found.length - 1)

  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" })
  }, [chosen])

  const go = (entry: Entry | undefined) => {
    if (entry === undefined) return
    onClose()
    void navigate(entry.to)
  }
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, found.length - 1))
    else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0))
    else if (event.key === "Enter") go(found[chosen])
    else return
    event.preventDefault()
  }
  return (
    <Modal.Root opened onClose={onClose} returnFocus={false} closeOnEscape={false} padding={0} yOffset="12vh">
      <Modal.Overlay />
      <Modal.Content aria-label="Search everything">
        <Modal.Body>
          <TextInput
            variant="unstyled"
            size="md"
            className={classes.input ?? ""}
            leftSection={<IconSearch size={18} />}
            placeholder="Page, pool, vhost or action"
            aria-label="Search everything"
            role="combobox"
            aria-expanded
            aria-controls="palette-list"
            aria-activedescendant={found.length > 0 ? `palette-${chosen}` : undefined}
            value={text}
            onChange={event => {
              setText(event.currentTarget.value)
              setAt(0)
            }}
            onKeyDown={press}
            data-autofocus
          />
          <ul ref={list} id="palette-list" role="listbox" aria-label="Found" className={classes.list}>
            {found.map((entry, index) => (
              <li
                key={entry.to + entry.label}
                id={`palette-${index}`}
                role="option"
                aria-selected={index === chosen}
                className={classes.entry}
                onMouseMove={() => setAt(index)}
                onClick={() => go(entry)}
              >
                <span className={classes.kind}>{entry.kind}</span>
                <span className="breakable">{entry.label}</span>
              </li>
            ))}
          </ul>
          {found.length === 0 && <p className={classes.none}>Nothing is called that.</p>}
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  )
}

/** The entries that contain every word, those that begin with the text first. */
export function find(entries: readonly Entry[], text: string): Entry[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found = entries.filter(entry => {
    const all = `${entry.kind} ${entry.label}`.toLowerCase()
    return words.every(word => all.includes(word))
  })
  const begins = (entry: Entry) => entry.label.toLowerCase().startsWith(text.toLowerCase().trim())
  return found.sort((a, b) => Number(begins(b)) - Number(begins(a))).slice(0, MOST)
}
