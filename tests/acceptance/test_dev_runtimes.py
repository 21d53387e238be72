"""``penstock dev`` with a function that is no Python handler."""

import sys
from pathlib import Path

from dev_process import running_dev

PROJECT = """
queues = [{ name = "orders", VisibilityTimeout = 1 }]
functions.score = { Runtime = "provided.al2023", code = "score", Timeout = 1 }
mappings = [{ name = "orders", queue = "orders", FunctionName = "score", BatchSize = 1 }]
"""

BOOTSTRAP = f"""#!{sys.executable}
import http.client, json, os

def ask(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    response = api.getresponse()
    return response.headers["Lambda-Runtime-Aws-Request-Id"], response.read()

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    request_id, event = ask("GET", "next")
    (message,) = json.loads(event)["Records"]
    if message["body"] == "exit" and message["attributes"]["ApproximateReceiveCount"] == "1":
        os._exit(3)
    print("scored", message["body"], flush=True)
    ask("POST", request_id + "/response", "null")
"""


def test_bootstrap_gets_messages_and_gets_them_again_when_it_has_died(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text(PROJECT)
    (tmp_path / "score").mkdir()
    (tmp_path / "score" / "bootstrap").write_text(BOOTSTRAP)
    (tmp_path / "score" / "bootstrap").chmod(0o755)

    with running_dev(tmp_path / "penstock.toml") as dev:
        dev.wait_for("ready")
        sqs = dev.client("sqs")
        url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        for body in ("first", "exit"):
            sqs.send_message(QueueUrl=url, MessageBody=body)

        dev.wait_for("scored first")
        dev.wait_for("Runtime exited with error: exit status 3")
        dev.wait_for("scored exit")
