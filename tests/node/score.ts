// A caller whose types are made of the service's description (`./service`), checked by the compiler.
import type { components, operations } from "./service";

declare const process: { argv: string[] };
type Schemas = components["schemas"];
type Answered = operations["score"]["responses"][200]["content"]["application/json"];

const [, , url, given] = process.argv;
const record = JSON.parse(given) as Schemas["Record"];
const { ConnectionDeviceId, ...message } = record;
const window: Schemas["Window"] = { ConnectionDeviceId, rows: [message] };
const trajectory: Schemas["Trajectory"] = { ...window, each: true };

async function score(items: Schemas["Items"]): Promise<Answered | Schemas["Refusal"]> {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${url}/score`, { method: "POST", headers, body: JSON.stringify(items) });
  return (await answer.json()) as Answered | Schemas["Refusal"];
}

// @ts-expect-error: the compiler knows that a record needs its fields
const incomplete: Schemas["Record"] = { ConnectionDeviceId };
const refusal = (await score([incomplete])) as Schemas["Refusal"];
const answers = (await score([record, window, trajectory])) as Schemas["Answers"];
console.log(JSON.stringify({ answers, reason: refusal.errors[0].reason }));
export {};
