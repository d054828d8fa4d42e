// Writes what a linter finds in a service's description, a problem a line.
import { createConfig, lint } from "@redocly/openapi-core";

const config = await createConfig({
  extends: ["recommended"],
  // What asks for a fixed thing, without a key, has nothing in it that could be refused.
  rules: { "operation-4xx-response": "off" },
});
for (const problem of await lint({ ref: process.argv[2], config })) {
  console.log(problem.severity, problem.ruleId, problem.message, problem.location[0]?.pointer);
}
