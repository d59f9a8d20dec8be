import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** The real program with a real nginx and real storage nodes, in a directory of its own. */
export class Gateway {
  private constructor(
    private readonly process: ChildProcess,
    readonly directory: string,
    /** The address of the program. */
    readonly url: string,
    /** The port at which nginx serves S3. */
    readonly port: number,
    readonly key: string,
  ) {}

  static async start(): Promise<Gateway> {
    const directory = await mkdtemp(join(tmpdir(), "nanio-e2e-"))
    const [port, gateway, storage] = [await freePort(), await freePort(), await freeRange(3)]
    const flags = ["--dir", directory, "--port", port, "--gateway-port", gateway, "--storage-port", storage]
    const program = process.env.PROGRAM ?? join(ROOT, "target/debug/nanio-orchestrator")
    const child = spawn(program, ["demo", ...flags.map(String)], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes("demo is running")) resolve()
      }
      child.stdout.on("data", hear)
      child.stderr.on("data", hear)
      child.on("error", reject)
      child.on("exit", status => reject(new Error(`the program ended with status ${status}:\n${said}`)))
    })
    const kept = await readFile(join(directory, "demo.env"), "utf8")
    const key = /^API_KEY=(.*)$/m.exec(kept)?.[1]
    if (key === undefined) throw new Error("demo.env holds no key")
    return new Gateway(child, directory, `http://localhost:${port}`, gateway, key)
  }

  async stop() {
    const ended = new Promise(resolve => this.process.once("exit", resolve))
    this.process.removeAllListeners("exit")
    this.process.once("exit", () => undefined)
    const over = new Promise(resolve => this.process.once("close", resolve))
    this.process.kill("SIGTERM")
    await Promise.race([ended, over])
    await rm(this.directory, { recursive: true, force: true })
  }

  /** Asks the API, past the web UI. */
  async ask<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.url}/api${path}`, {
      method,
      headers: { "X-Orchestrator-Key": this.key, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text === "" ? null : JSON.parse(text)) as T
  }

  /** A file below nginx's managed directory. */
  managed(path: string) {
    return join(this.directory, "nginx/managed", path)
  }
}

async function freePort(): Promise<number> {
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
