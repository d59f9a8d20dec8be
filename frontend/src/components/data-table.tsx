import { Group, Text, TextInput, UnstyledButton } from "@mantine/core"
import { IconArrowDown, IconArrowsSort, IconArrowUp, IconSearch } from "@tabler/icons-react"
import { useVirtualizer } from "@tanstack/react-virtual"
import type { ReactNode } from "react"
import { useCallback, useDeferredValue, useMemo, useRef, useState } from "react"

import classes from "./data-table.module.css"
import { Check, Row } from "./data-table-row"

export interface Column<Row> {
  key: string
  title: string
  /** What is sorted by and searched in. */
  value?: (row: Row) => string | number | boolean | null
  /** What is shown, if not the value. */
  cell?: (row: Row) => ReactNode
  width?: string
  align?: "end"
  /** Left out on narrow screens. */
  wide?: boolean
}

interface Props<Row> {
  /** What the table is a list of, in the plural: `routes`. */
  of: string
  rows: readonly Row[]
  columns: Column<Row>[]
  id: (row: Row) => number | string
  sortedBy?: string
  /** Right of the filter. */
  tools?: ReactNode
  selected?: ReadonlySet<number | string>
  /** Rows for which it is false cannot be selected. */
  selectable?: (row: Row) => boolean
  onSelect?: (ids: Set<number | string>) => void
  empty?: ReactNode
  filterable?: boolean
}

const ROW = 44
/** Fewer rows are simply there. */
const FEW = 80

type Sorting = { key: string; down: boolean }

/** Rows in `sorting`'s order that contain every word of `filter`. */
export function arrange<Row>(rows: readonly Row[], columns: Column<Row>[], filter: string, sorting: Sorting | null) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  const text = (row: Row) =>
    columns
      .map(column => String(column.value?.(row) ?? ""))
      .join("\u0000")
      .toLowerCase()
  const found = words.length === 0 ? [...rows] : rows.filter(row => words.every(word => text(row).includes(word)))
  const value = columns.find(column => column.key === sorting?.key)?.value
  if (sorting === null || value === undefined) return found
  const order = new Intl.Collator("en", { numeric: true })
  const compare = (a: ReturnType<typeof value>, b: ReturnType<typeof value>) => {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
    if (typeof a === "number" && typeof b === "number") return a - b
    return order.compare(String(a), String(b))
  }
  return found.sort((a, b) => (sorting.down ? -1 : 1) * compare(value(a), value(b)))
}

/** A list that is sorted and filtered in place, and of which only the visible rows are drawn. */
export function DataTable<Item>(props: Props<Item>) {
  const { of, rows, columns, id, sortedBy, tools, selected, onSelect, empty, filterable = true } = props
  const { selectable = () => true } = props
  const [filter, setFilter] = useState("")
  const [sorting, setSorting] = useState<Sorting | null>(sortedBy === undefined ? null : { key: sortedBy, down: false })
  const wanted = useDeferredValue(filter)
  const shown = useMemo(() => arrange(rows, columns, wanted, sorting), [rows, columns, wanted, sorting])
  const frame = useRef<HTMLDivElement>(null)
  const many = shown.length > FEW
  const virtual = useVirtualizer({
    count: many ? shown.length : 0,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    overscan: 8,
  })
  const window = virtual.getVirtualItems()
  const first = window[0]
  const last = window.at(-1)
  const before = many && first !== undefined ? first.start : 0
  const after = many && last !== undefined ? virtual.getTotalSize() - last.end : 0
  const drawn = many ? window.flatMap(item => shown.slice(item.index, item.index + 1)) : shown
  const offset = first?.index ?? 0
  const width = columns.length + (onSelect === undefined ? 0 : 1)
  const isSelected = (row: Item) => selected?.has(id(row)) ?? false
  const eligible = onSelect === undefined ? [] : shown.filter(selectable)
  const all = eligible.length > 0 && eligible.every(isSelected)

  const turn = (key: string) => {
    setSorting(now => (now?.key !== key ? { key, down: false } : now.down ? null : { key, down: true }))
  }
  const toggle = useCallback(
    (key: number | string) => {
      const next = new Set(selected)
      if (!next.delete(key)) next.add(key)
      onSelect?.(next)
    },
    [selected, onSelect],
  )
  if (rows.length === 0 && empty !== undefined) return <>{empty}</>
  return (
    <div className={classes.outer}>
      {(filterable || tools !== undefined) && (
        <Group className={classes.bar} justify="space-between" gap="xs">
          {filterable ? (
            <Group gap="sm">
              <TextInput
                size="xs"
                w={240}
                placeholder={`Filter ${of}`}
                aria-label={`Filter ${of}`}
                leftSection={<IconSearch size={14} />}
                value={filter}
                onChange={event => setFilter(event.currentTarget.value)}
                onKeyDown={event => {
                  if (event.key === "Escape") setFilter("")
                }}
                data-filter
              />
              <Text size="xs" c="dimmed" role="status">
                {shown.length === rows.length
                  ? `${rows.length.toLocaleString("en")} ${rows.length === 1 ? singular(of) : of}`
                  : `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} ${of}`}
              </Text>
            </Group>
          ) : (
            <span />
          )}
          <Group gap="xs">{tools}</Group>
        </Group>
      )}
      <div ref={frame} className={classes.frame} data-many={many || undefined} tabIndex={many ? 0 : undefined}>
        <table className={classes.table} aria-rowcount={shown.length + 1} aria-label={of}>
          <thead>
            <tr>
              {onSelect !== undefined && (
                <th className={classes.check}>
                  <Check
                    label={`Select all ${of} shown`}
                    checked={all}
                    some={!all && eligible.some(isSelected)}
                    onToggle={() => onSelect(new Set(all ? [] : eligible.map(id)))}
                  />
                </th>
              )}
              {columns.map(column => (
                <Head key={column.key} column={column} sorting={sorting} onTurn={turn} />
              ))}
            </tr>
          </thead>
          <tbody>
            {before > 0 && (
              <tr aria-hidden>
                <td colSpan={width} style={{ height: before, padding: 0, border: 0 }} />
              </tr>
            )}
            {drawn.map((row, index) => (
              <Row
                key={id(row)}
                row={row}
                id={id(row)}
                columns={columns}
                index={offset + index + 2}
                selected={isSelected(row)}
                onToggle={onSelect === undefined ? undefined : selectable(row) ? toggle : null}
              />
            ))}
            {after > 0 && (
              <tr aria-hidden>
                <td colSpan={width} style={{ height: after, padding: 0, border: 0 }} />
              </tr>
            )}
            {shown.length === 0 && (
              <tr>
                <td colSpan={width} className={classes.none}>
                  {rows.length === 0 ? `There are no ${of}.` : `No ${of} match “${wanted}”.`}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </div>
  )
}

/** `entries` → `entry`, `routes` → `route`. */
function singular(of: string): string {
  return of.replace(/ies$/, "y").replace(/s$/, "")
}

interface HeadProps<Row> {
  column: Column<Row>
  sorting: Sorting | null
  onTurn: (key: string) => void
}

function Head<Row>({ column, sorting, onTurn }: HeadProps<Row>) {
  const mine = sorting?.key === column.key ? sorting : null
  const order = mine === null ? undefined : mine.down ? "descending" : "ascending"
  const Arrow = mine === null ? IconArrowsSort : mine.down ? IconArrowDown : IconArrowUp
  return (
    <th
      aria-sort={order}
      data-align={column.align}
      data-wide={column.wide || undefined}
      style={column.width === undefined ? undefined : { width: column.width }}
    >
      {column.value === undefined ? (
        <span className={column.title === "" ? undefined : classes.title}>{column.title}</span>
      ) : (
        <UnstyledButton
          className={classes.title}
          onClick={() => onTurn(column.key)}
          data-on={mine !== null || undefined}
        >
          {column.title}
          <Arrow size={13} aria-hidden className={classes.arrow} />
        </UnstyledButton>
      )}
    </th>
  )
}
