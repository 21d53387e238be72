"""CPU of the wire client: receive 10 messages, invoke, delete them, against canned answers.

Run ``python benchmarks/wire_client.py [--seconds S] [--tasks N] [--tls] [--profile]``. The answers
come from another process, so that only the client's CPU is counted. It prints microseconds of CPU
per call (a cycle is three calls); the machine's noise is large: compare ratios, and take the best
of a few.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import resource

import uvloop
from endpoint_process import EndpointProcess

from penstock.aws.client import WireClient
from penstock.aws.network import Network
from penstock.engine.clock import SystemClock
from penstock.functions.lambda_api import LambdaApiInvoker
from penstock.model.arn import Scope
from penstock.model.function import Function, InvokeEndpoint
from penstock.sources.sqs import SqsQueue, SqsSources

CALLS_PER_CYCLE = 3
ARN = "arn:aws:sqs:eu-west-1:000000000000:jobs"
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
EVENT = b'{"Records":[%b],"set-0000":0}' % (b"x" * 6000)


async def measure(url: str, seconds: float, task_count: int) -> tuple[int, float]:
    """Run cycles; give their count and the CPU seconds they took."""
    wire = WireClient(Network(), clock=SystemClock(), draw_fraction=lambda: 0.5)
    queue = await SqsSources(wire).open_queue(ARN)
    invoker = LambdaApiInvoker(wire)
    function = Function(
        scope=Scope("000000000000", "eu-west-1"), name="f", hosting=InvokeEndpoint(url=url)
    )
    await _cycle(queue, invoker, function)
    loop = asyncio.get_running_loop()
    started_s, deadline_s = _cpu_s(), loop.time() + seconds
    cycle_count = 0

    async def work() -> None:
        nonlocal cycle_count
        while loop.time() < deadline_s:
            await _cycle(queue, invoker, function)
            cycle_count += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(task_count):
            tasks.create_task(work())
    cpu_s = _cpu_s() - started_s
    await wire.close()
    return cycle_count, cpu_s


async def _cycle(queue: SqsQueue, invoker: LambdaApiInvoker, function: Function) -> None:
    messages = await queue.receive(10, 20)
    await invoker.invoke(function, FUNCTION_ARN, EVENT)
    await queue.delete(messages)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--tls", action="store_true", help="over HTTPS")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    endpoint = EndpointProcess("bench_endpoint.py", tls=options.tls, case="sqs_batch10")
    endpoint.ask("PUT", "/flow?pages_per_s=0")
    os.environ.update(
        AWS_ENDPOINT_URL=endpoint.url,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        **endpoint.environment,
    )
    profile = cProfile.Profile(builtins=False) if options.profile else None
    if profile is not None:
        profile.enable()
    cycle_count, cpu_s = uvloop.run(measure(endpoint.url, options.seconds, options.tasks))
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    endpoint.end()
    call_us = cpu_s / (cycle_count * CALLS_PER_CYCLE) * 1e6
    print(f"cycles={cycle_count} cpu_us_per_call={call_us:.1f} tasks={options.tasks}")


if __name__ == "__main__":
    main()
