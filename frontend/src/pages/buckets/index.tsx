import { Tabs } from "@mantine/core"
import { useSearchParams } from "react-router"

import { Page } from "../../components/page"
import { ByPool } from "./by-pool"
import { ByVhost } from "./by-vhost"
import { Jobs } from "./jobs"

export function Component() {
  const [search, setSearch] = useSearchParams()
  return (
    <Page
      title="Buckets"
      about="A bucket without a route is served by its vhost's default pool. A route of its own sends it to another pool; a migration moves its objects there first, while clients go on."
    >
      <Tabs
        value={search.get("by") ?? "vhost"}
        onChange={by => setSearch(by === null ? {} : { by })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="vhost">By vhost</Tabs.Tab>
          <Tabs.Tab value="pool">By pool</Tabs.Tab>
          <Tabs.Tab value="jobs">Jobs</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="vhost">
          <ByVhost />
        </Tabs.Panel>
        <Tabs.Panel value="pool">
          <ByPool />
        </Tabs.Panel>
        <Tabs.Panel value="jobs">
          <Jobs />
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}
