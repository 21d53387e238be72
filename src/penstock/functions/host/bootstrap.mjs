// What an execution environment's process runs for Node.js: the official runtime client.
//
//     node bootstrap.mjs CLIENT
//
// CLIENT is the main module of the npm package aws-lambda-ric, version 3 or 4. Where its native
// module cannot be loaded, because its install scripts were not run, pure_runtime_client.cjs stands
// in for it: the client itself is used as it is.

import Module, { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const NATIVE_MODULE = "rapid-client.node";

/** Puts the stand-in in the place of a native module that cannot be loaded, once. */
function standInForNativeModule() {
  const load = Module._load;
  Module._load = function (request, ...others) {
    if (!request.endsWith(NATIVE_MODULE)) {
      return Reflect.apply(load, this, [request, ...others]);
    }
    Module._load = load;
    try {
      return Reflect.apply(load, this, [request, ...others]);
    } catch {
      return createRequire(import.meta.url)("./pure_runtime_client.cjs");
    }
  };
}

const [client] = process.argv.splice(2);
process.env.AWS_EXECUTION_ENV = `AWS_Lambda_nodejs${process.versions.node.split(".")[0]}.x`;
standInForNativeModule();
// Version 4 starts by itself; version 3 offers a function.
const { run } = await import(pathToFileURL(client).href);
await run?.(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
