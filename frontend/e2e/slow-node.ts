import type { Server } from "node:http"
import { createServer, request } from "node:http"

/** A way to a storage node on which deletions wait until they are let through. */
export class SlowNode {
  private held: (() => void)[] | null = []

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async before(node: number): Promise<SlowNode> {
    const server = createServer((client, answer) => {
      const pass = () => {
        const { method, url, headers } = client
        const sent = request({ host: "127.0.0.1", port: node, method, path: url, headers }, told => {
          answer.writeHead(told.statusCode ?? 502, told.headers)
          told.pipe(answer)
        })
        sent.on("error", () => answer.destroy())
        client.pipe(sent)
      }
      if (slow.held !== null && client.method === "POST" && client.url?.includes("?delete")) slow.held.push(pass)
      else pass()
    })
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    const slow = new SlowNode(server, address.port)
    return slow
  }

  /** How many deletions wait. */
  get waiting() {
    return this.held?.length ?? 0
  }

  /** From now on none waits. */
  release() {
    const held = this.held ?? []
    this.held = null
    for (const pass of held) pass()
  }

  async stop() {
    this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
  }
}
