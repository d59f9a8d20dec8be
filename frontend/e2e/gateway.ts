import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

import { asUnit } from "./supervisor"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** The real program with a real nginx and real storage nodes, in a directory of its own. */
export class Gateway {
  /** How often it was started. */
  starts = 1

  private constructor(
    private process: ChildProcess,
    private readonly ports: Ports,
    readonly directory: string,
    readonly key: string,
    /** What clients sign their requests with. */
    readonly s3: Keys,
    private readonly supervised: boolean,
  ) {
    this.supervise()
  }

  /** Starts one with these settings, which stand in its env file. If it is supervised, it is started again when it ends. */
  static async start(settings: Record<string, string> = {}, supervised = false): Promise<Gateway> {
    const directory = await mkdtemp(join(tmpdir(), "nanio-e2e-"))
    const lines = Object.entries(settings).map(([name, value]) => `NANIO_ORCHESTRATOR_${name}=${value}\n`)
    await writeFile(join(directory, "config.env"), lines.join(""))
    const ports = { program: await freePort(), gateway: await freePort(), storage: await freeRange(3) }
    const child = await run(directory, ports, supervised)
    const kept = await readFile(join(directory, "demo.env"), "utf8")
    const value = (name: string) => {
      const found = new RegExp(`^${name}=(.*)$`, "m").exec(kept)?.[1]
      if (found === undefined) throw new Error(`demo.env holds no ${name}`)
      return found
    }
    const keys = { access: value("S3_ACCESS_KEY"), secret: value("S3_SECRET_KEY") }
    return new Gateway(child, ports, directory, value("API_KEY"), keys, supervised)
  }

  /** The address of the program. */
  get url() {
    return `http://localhost:${this.ports.program}`
  }

  /** The port at which nginx serves S3. */
  get port() {
    return this.ports.gateway
  }

  /** The port of the first storage node of pool-2025; the others follow. */
  get storagePort() {
    return this.ports.storage
  }

  /** Ends everything and starts it again where it was. */
  async restart() {
    await end(this.process)
    this.process = await run(this.directory, this.ports, this.supervised)
    this.starts += 1
    this.supervise()
  }

  private supervise() {
    if (!this.supervised) return
    this.process.once("exit", () => void this.restart())
  }

  async stop() {
    await end(this.process)
    await rm(this.directory, { recursive: true, force: true })
  }

  /** Puts objects of so many bytes each onto the disk of a pool's nodes, as a bucket. */
  async fill(pool: string, bucket: string, count: number, size: number) {
    const directory = this.stored(pool, bucket)
    await mkdir(directory, { recursive: true })
    const content = Buffer.alloc(size, "nanio ")
    for (let index = 0; index < count; index++) await writeFile(join(directory, `object-${index}`), content)
  }

  /** Where the nodes of a pool keep a bucket. */
  stored(pool: string, bucket: string) {
    return join(this.directory, "storage", pool, bucket)
  }

  /** Asks the API, past the web UI. */
  async ask<T = unknown>(method: string, path: string, body?: unknown, headers = {}): Promise<T> {
    const answer = await fetch(`${this.url}/api${path}`, {
      method,
      headers: { "X-Orchestrator-Key": this.key, "Content-Type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text === "" ? null : JSON.parse(text)) as T
  }

  /** What the program and nginx say of themselves, for whoever looks for the cause of a failure. */
  async state(): Promise<string> {
    const migrations = await this.ask<{ id: number }[]>("GET", "/migrations?limit=3")
    const logs = migrations.map(({ id }) => this.ask("GET", `/migrations/${id}/log?limit=40`))
    const trouble = readFile(join(this.directory, "logs/nginx-error.log"), "utf8").catch(String)
    const parts = await Promise.all([Promise.all(logs), this.ask("GET", "/jobs")])
    return [...[migrations, ...parts].map(part => JSON.stringify(part, null, 1)), (await trouble).slice(-5000)].join(
      "\n",
    )
  }

  /** A file below nginx's managed directory. */
  managed(path: string) {
    return join(this.directory, "nginx/managed", path)
  }
}

interface Ports {
  program: number
  gateway: number
  storage: number
}

export interface Keys {
  access: string
  secret: string
}

async function run(directory: string, ports: Ports, supervised: boolean): Promise<ChildProcess> {
  const flags = ["--dir", directory, "--port", ports.program]
  flags.push("--gateway-port", ports.gateway, "--storage-port", ports.storage)
  const program = process.env.PROGRAM ?? join(ROOT, "target/debug/nanio-orchestrator")
  const plain = { program, flags: ["demo", ...flags.map(String)], env: process.env }
  const command = supervised ? await asUnit(directory, plain.program, plain.flags) : plain
  const child = spawn(command.program, command.flags, {
    cwd: ROOT,
    env: command.env,
    stdio: ["ignore", "pipe", "pipe"],
  })
  let said = ""
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes("demo is running")) resolve()
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.on("error", reject)
    child.once("exit", status => reject(new Error(`the program ended with status ${status}:\n${said}`)))
  })
  return child
}

async function end(child: ChildProcess) {
  child.removeAllListeners("exit")
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise(resolve => child.once("exit", resolve))
  child.kill("SIGTERM")
  await ended
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, "0.0.0.0", resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

/** The first of some ports in a row, all of them free. */
async function freeRange(length: number): Promise<number> {
  for (;;) {
    const first = await freePort()
    const rest = await Promise.all(Array.from({ length: length - 1 }, (_, index) => isFree(first + 1 + index)))
    if (rest.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once("error", () => resolve(false))
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)))
  })
}
