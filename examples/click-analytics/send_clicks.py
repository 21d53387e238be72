"""Sends clicks for some seconds, and shows the counts of each window."""

import json
import time
from collections import Counter

import boto3

PAGES = ("/", "/cart", "/help")
CLICKS = 120
PAUSE_S = 0.05
LOOKS_MAX = 120
LOOK_AGAIN_S = 0.5


def main() -> None:
    """Send the clicks, every tenth without a page, and wait until all others are counted."""
    kinesis, dynamodb = boto3.client("kinesis"), boto3.resource("dynamodb")
    sent: Counter[str] = Counter()
    for number in range(CLICKS):
        click = {"page": PAGES[number % 7 % 3], "visitor": f"v{number % 10}"}
        if number % 10 == 0:
            del click["page"]  # the mapping's filter takes it out
        else:
            sent[click["page"]] += 1
        content = json.dumps(click).encode()
        kinesis.put_record(StreamName="clicks", Data=content, PartitionKey=click["visitor"])
        time.sleep(PAUSE_S)
    print(f"sent {CLICKS} clicks, {sum(sent.values())} of them with a page")
    table = dynamodb.Table("PageViews")
    counted: Counter[str] = Counter()
    for _ in range(LOOKS_MAX):
        time.sleep(LOOK_AGAIN_S)
        items = sorted(table.scan()["Items"], key=lambda item: (item["window"], item["shard"]))
        counted = Counter()
        for item in items:
            counted.update({page: int(count) for page, count in item["counts"].items()})
        if counted.total() == sent.total():
            break
    for item in items:
        pages = ", ".join(f"{page} {count}" for page, count in sorted(item["counts"].items()))
        print(f"window {item['window']} {item['shard'][-1]}: {pages}")
    print("in all windows: " + ", ".join(f"{page} {counted[page]}" for page in PAGES))
    print("every click is counted once" if counted == sent else f"sent were: {dict(sent)}")


if __name__ == "__main__":
    main()
