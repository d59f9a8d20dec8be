import { ActionIcon, AppShell, Badge, Burger, Group, Kbd, NavLink, Text, UnstyledButton } from "@mantine/core"
import { useDisclosure, useHotkeys } from "@mantine/hooks"
import {
  IconArrowsTransferUp,
  IconBook2,
  IconBucket,
  IconFileCode,
  IconGauge,
  IconHistory,
  IconLogout,
  IconRoute,
  IconSearch,
  IconServer2,
  IconSettings,
  IconWorld,
} from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { lazy, Suspense, useEffect, useState } from "react"
import { Link, Outlet, useLocation, useNavigation } from "react-router"

import { useLive } from "../api/events"
import { queries } from "../api/queries"
import icon from "../theme/icon.svg"
import { Live } from "./live"
import classes from "./shell.module.css"

const Palette = lazy(() => import("./palette"))

const PAGES = [
  { to: "/", label: "Dashboard", icon: IconGauge },
  { to: "/web/pools", label: "Pools", icon: IconServer2 },
  { to: "/web/vhosts", label: "Vhosts", icon: IconWorld },
  { to: "/web/buckets", label: "Buckets", icon: IconBucket },
  { to: "/web/migrations", label: "Migrations", icon: IconArrowsTransferUp },
  { to: "/web/config", label: "Config", icon: IconFileCode },
  { to: "/web/explain", label: "Explain", icon: IconRoute },
  { to: "/web/audit", label: "Audit", icon: IconHistory },
  { to: "/web/settings", label: "Settings", icon: IconSettings },
]

/** What is around every page. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure()
  const [palette, setPalette] = useState(false)
  const { pathname } = useLocation()
  const navigating = useNavigation().state !== "idle"
  const liveness = useLive()
  const { data: health } = useQuery(queries.health)
  const { data: state } = useQuery(queries.state)

  useEffect(close, [pathname, close])
  // Also from within a field.
  useHotkeys([["mod+K", () => setPalette(true)]], [])
  useHotkeys([["/", () => document.querySelector<HTMLInputElement>("[data-filter]")?.focus()]])

  const isHere = (to: string) => (to === "/" ? pathname === "/" : pathname.startsWith(to))
  const drift = health?.drift_alerts ?? 0
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 216, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "md", md: "lg" }}
    >
      <a className={classes.skip} href="#main">
        Skip to the page
      </a>
      <AppShell.Header className={classes.header}>
        <Group h="100%" px="md" gap="sm" wrap="nowrap">
          <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Menu" />
          <Link to="/" className={classes.brand} aria-label="nanio-orchestrator: dashboard">
            <img src={icon} width={24} height={24} alt="" />
            <Text component="span" fw={650} visibleFrom="xs">
              nanio-orchestrator
            </Text>
          </Link>
          {health?.dev_mode && (
            <Badge title="Development mode: nginx is not touched" color="yellow" variant="light" radius="sm">
              dev
            </Badge>
          )}
          <UnstyledButton className={classes.search} onClick={() => setPalette(true)} aria-label="Search everything">
            <IconSearch size={15} stroke={1.8} />
            <span className={classes.searchText}>Search</span>
            <Kbd size="xs" className={classes.searchKeys}>
              Ctrl K
            </Kbd>
          </UnstyledButton>
          <Live liveness={liveness} />
          <ActionIcon
            title="API documentation"
            component="a"
            href="/api/docs"
            target="_blank"
            rel="noreferrer"
            variant="subtle"
            color="gray"
            aria-label="API documentation, in a new tab"
          >
            <IconBook2 size={18} stroke={1.8} />
          </ActionIcon>
          <form method="post" action="/logout" className={classes.logout}>
            <ActionIcon title="Log out" type="submit" variant="subtle" color="gray" aria-label="Log out">
              <IconLogout size={18} stroke={1.8} />
            </ActionIcon>
          </form>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" className={classes.navbar} aria-label="Pages">
        <AppShell.Section grow component="nav">
          {PAGES.map(({ to, label, icon: Icon }) => (
            <NavLink
              key={to}
              component={Link}
              to={to}
              label={label}
              active={isHere(to)}
              aria-current={isHere(to) ? "page" : undefined}
              leftSection={<Icon size={18} stroke={1.7} />}
              rightSection={to === "/web/config" ? <ConfigMark drift={drift} pending={state?.pending_reload} /> : null}
              className={classes.link}
            />
          ))}
        </AppShell.Section>
        <AppShell.Section p="xs">
          <Text size="xs" c="dimmed">
            {health === undefined ? "…" : `version ${health.version}`}
          </Text>
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} className={classes.main} aria-busy={navigating}>
        <Outlet />
      </AppShell.Main>
      <Suspense>{palette && <Palette onClose={() => setPalette(false)} />}</Suspense>
    </AppShell>
  )
}

/** What the config page has to be looked at for. */
function ConfigMark({ drift, pending }: { drift: number; pending: boolean | null | undefined }) {
  if (drift > 0) {
    return (
      <Badge size="sm" color="red" variant="light" aria-label={`${drift} files have drifted`}>
        {drift}
      </Badge>
    )
  }
  if (pending === true) {
    return (
      <Badge size="sm" color="yellow" variant="light">
        reload
      </Badge>
    )
  }
  return null
}
