// Scores golden windows by onnxruntime-node or onnxruntime-web: `node golden.mjs PACKAGE MODEL INPUT.json`.
// INPUT.json has `windows`, a flat list with null for NaN, and their `shape`; answers go to stdout as JSON.
import { readFileSync } from "node:fs";

const [name, model, input] = process.argv.slice(2);
const runtime = await import(name);
const ort = runtime.default ?? runtime;
const { windows, shape } = JSON.parse(readFileSync(input, "utf8"));
const values = Float32Array.from(windows, (value) => (value === null ? NaN : value));
const session = await ort.InferenceSession.create(readFileSync(model));
const answers = await session.run({ telemetry: new ort.Tensor("float32", values, shape) });
const plain = Object.fromEntries(Object.entries(answers).map(([key, value]) => [key, Array.from(value.data)]));
process.stdout.write(JSON.stringify(plain));
process.exit(0);
