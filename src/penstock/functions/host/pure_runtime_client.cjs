// A stand-in for the native module of Node.js' runtime client, for where that was not built.
//
// It offers what the client calls, with the same results: `next` answers with a promise, `done` and
// `error` have been answered when they return (the client may end the process right after them),
// whatever the answer was. A thread of its own makes the requests: it goes on while the main thread
// waits, and what a handler does to the `http` module does not reach it.

"use strict";

const http = require("node:http");
const {
  MessageChannel,
  Worker,
  isMainThread,
  workerData,
} = require("node:worker_threads");

const PREFIX = "/2018-06-01/runtime/invocation/";
const CAUSE_HEADER = "lambda-runtime-function-xray-error-cause";
const CAUSE_CHARACTERS_MAX = 1024 * 1024; // as the native module

/** Makes one request and hands what came of it to `settle`; a failed connection has no status. */
function call({ method, path, headers, body }, agent, settle) {
  const [hostname, port] = workerData.address.split(":");
  const request = http.request({ agent, hostname, port, method, path: PREFIX + path, headers });
  request.on("response", (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("end", () =>
      settle({
        status: response.statusCode,
        headers: response.headers,
        body: Buffer.concat(chunks).toString("utf8"),
      }),
    );
    response.on("error", (error) => settle({ reason: error.message }));
  });
  request.on("error", (error) => settle({ reason: error.message }));
  request.end(body);
}

/** The thread: answers polls with messages, and everything else by waking who waits for it. */
function serve({ polls, posts, signal }) {
  const agent = new http.Agent({ keepAlive: true });
  polls.on("message", (poll) => call(poll, agent, (answer) => polls.postMessage(answer)));
  posts.on("message", (post) =>
    call(post, agent, () => {
      Atomics.store(signal, 0, 1);
      Atomics.notify(signal, 0);
    }),
  );
}

/** The main thread's side. */
class Client {
  constructor() {
    const polls = new MessageChannel();
    const posts = new MessageChannel();
    this.polls = polls.port1;
    this.posts = posts.port1;
    this.signal = new Int32Array(new SharedArrayBuffer(4));
    const address = process.env.AWS_LAMBDA_RUNTIME_API;
    const worker = new Worker(__filename, {
      workerData: { address, polls: polls.port2, posts: posts.port2, signal: this.signal },
      transferList: [polls.port2, posts.port2],
      env: {},
      execArgv: [],
    });
    // The process lives as long as it waits for an invocation, or has other work.
    worker.unref();
  }

  next() {
    return new Promise((resolve, reject) => {
      // Having a listener keeps the process alive, as a poll of the native module does.
      this.polls.once("message", ({ status, headers, body, reason }) => {
        if (status === undefined) {
          // The host is gone. Where the kernel does not kill this process for that, the client
          // would try again and again.
          process.stderr.write(`No answer from the Runtime API: ${reason}\n`);
          process.exit(1);
        }
        if (status !== 200) {
          reject(new Error(`Failed to get next invocation, error ${status}`));
          return;
        }
        resolve({ bodyJson: body, headers: invocationHeaders(headers) });
      });
      this.polls.postMessage({ method: "GET", path: "next" });
    });
  }

  post(path, headers, text) {
    const body = Buffer.from(text, "utf8");
    const ours = { "content-type": "application/json", "content-length": body.length };
    Atomics.store(this.signal, 0, 0);
    this.posts.postMessage({ method: "POST", path, headers: { ...ours, ...headers }, body });
    Atomics.wait(this.signal, 0, 0);
  }
}

/** Gives the headers of an invocation as the native module does. */
function invocationHeaders(headers) {
  const given = {
    "lambda-runtime-deadline-ms": Number(headers["lambda-runtime-deadline-ms"]),
    "lambda-runtime-aws-request-id": headers["lambda-runtime-aws-request-id"] ?? "",
    "lambda-runtime-trace-id": headers["lambda-runtime-trace-id"] ?? "",
    "lambda-runtime-invoked-function-arn": headers["lambda-runtime-invoked-function-arn"] ?? "",
  };
  for (const name of ["client-context", "cognito-identity", "aws-tenant-id"]) {
    const value = headers[`lambda-runtime-${name}`];
    if (value) {
      given[`lambda-runtime-${name}`] = value;
    }
  }
  return given;
}

/** Escapes what a header cannot hold; in JSON it stays the same text. */
function toHeader(text) {
  return text.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

if (isMainThread) {
  const client = new Client();
  module.exports = {
    next: () => client.next(),
    done: (id, response) => client.post(`${id}/response`, {}, response),
    error: (id, response, cause) => {
      const text = toHeader(cause);
      const headers = text && text.length <= CAUSE_CHARACTERS_MAX ? { [CAUSE_HEADER]: text } : {};
      client.post(`${id}/error`, headers, response);
    },
  };
} else {
  serve(workerData);
}
