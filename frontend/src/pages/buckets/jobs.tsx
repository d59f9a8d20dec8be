import { Button, Progress, Stack, Text } from "@mantine/core"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"

import type { Job } from "../../api/client"
import { api, body } from "../../api/client"
import { queries } from "../../api/queries"
import { DataTable } from "../../components/data-table"
import { Empty } from "../../components/empty"
import { Placeholder } from "../../components/page"
import type { Health } from "../../components/status"
import { Status } from "../../components/status"
import { Time } from "../../components/time"
import { Trouble } from "../../components/trouble"

const HEALTH: Record<Job["state"], Health> = {
  pending: "idle",
  running: "warn",
  cancelling: "warn",
  done: "good",
  failed: "bad",
  cancelled: "idle",
}

/** Work that goes on after the request that asked for it. */
export function Jobs() {
  const client = useQueryClient()
  const { data: jobs, error } = useQuery(queries.jobs)
  const cancel = useMutation({
    mutationFn: (id: number) => body(api.POST("/api/jobs/{job_id}/cancel", { params: { path: { job_id: id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: queries.jobs.queryKey }),
  })
  if (jobs === undefined)
    return error === null ? <Placeholder /> : <Trouble error={error} title="The jobs cannot be read" />
  return (
    <>
      <Trouble error={cancel.error} title="The job was not cancelled" />
      <DataTable
        of="jobs"
        rows={jobs}
        id={job => job.id}
        columns={[
          { key: "id", title: "Id", value: job => job.id },
          { key: "what", title: "Work", value: job => `delete the objects of ${job.bucket} on ${job.pool_name}` },
          {
            key: "state",
            title: "State",
            value: job => job.state,
            cell: job => (
              <Stack gap={2}>
                <Status health={HEALTH[job.state]}>{job.state}</Status>
                {job.message !== null && (
                  <Text size="xs" c="red" className="breakable">
                    {job.message}
                  </Text>
                )}
              </Stack>
            ),
          },
          {
            key: "done",
            title: "Objects",
            value: job => job.done,
            cell: job => (
              <Stack gap={2} miw={120}>
                <Text size="xs">
                  {job.done.toLocaleString("en")} of {job.total?.toLocaleString("en") ?? "?"}
                  {job.failed > 0 && `, ${job.failed} failed`}
                </Text>
                <Progress
                  value={job.total ? (100 * job.done) / job.total : 0}
                  size="sm"
                  aria-label={`Progress of job ${job.id}`}
                />
              </Stack>
            ),
          },
          {
            key: "at",
            title: "Asked for",
            value: job => job.created_at,
            cell: job => <Time at={job.created_at} />,
            wide: true,
          },
          {
            key: "act",
            title: "",
            align: "end",
            cell: job =>
              job.finished_at === null && (
                <Button size="compact-xs" variant="default" onClick={() => cancel.mutate(job.id)}>
                  Cancel
                </Button>
              ),
          },
        ]}
        empty={<Empty title="There are no jobs">A purge of more than 1,000 objects becomes one.</Empty>}
      />
    </>
  )
}
