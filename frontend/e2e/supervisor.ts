import { chmod, writeFile } from "node:fs/promises"
import { join } from "node:path"

/** In a mount namespace of its own, so that nobody else is told that he is a service. */
const AS_UNIT = 'mount --bind "$0" /proc/$$/cgroup && exec "$@"'

export interface Command {
  program: string
  flags: string[]
  env: NodeJS.ProcessEnv
}

/**
 * The command as systemd runs it, as far as a program can see that: it belongs to the unit, and there is a `systemctl`
 * that restarts this unit and nothing else. That one ends the program; whoever keeps it running starts it again.
 */
export async function asUnit(directory: string, program: string, flags: string[]): Promise<Command> {
  const groups = join(directory, "cgroup")
  await writeFile(groups, "0::/system.slice/nanio-orchestrator.service\n")
  const systemctl = join(directory, "systemctl")
  await writeFile(systemctl, '#!/bin/sh\n[ "$*" = "restart nanio-orchestrator" ] && exec kill -TERM "$PPID"\n')
  await chmod(systemctl, 0o755)
  return {
    program: "unshare",
    flags: ["--mount", "sh", "-c", AS_UNIT, groups, program, ...flags],
    env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ""}` },
  }
}
