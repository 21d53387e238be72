"""Changes customers, and shows the table that follows."""

import time

import boto3

LOOKS_MAX = 120
LOOK_AGAIN_S = 0.5
EXPECTED = {"lisbon": ["Bob"], "oslo": ["Ada", "Cleo"], "rome": ["Dora B."]}


def main() -> None:
    """Add, move, rename and remove customers, and wait until the projection says the same."""
    dynamodb = boto3.resource("dynamodb")
    customers, by_city = dynamodb.Table("customers"), dynamodb.Table("customers-by-city")
    for name, city in (("Ada", "rome"), ("Bob", "lisbon"), ("Cleo", "oslo"), ("Dora", "rome")):
        customers.put_item(Item={"id": name.lower(), "name": name, "city": city})
    customers.put_item(Item={"id": "ada", "name": "Ada", "city": "oslo"})
    customers.put_item(Item={"id": "dora", "name": "Dora B.", "city": "rome"})
    customers.put_item(Item={"id": "eve", "name": "Eve", "city": "rome"})
    customers.delete_item(Key={"id": "eve"})
    print("4 customers, 1 of them moved, 1 renamed, and 1 more came and went")
    projected: dict[str, list[str]] = {}
    for _ in range(LOOKS_MAX):
        time.sleep(LOOK_AGAIN_S)
        projected = {}
        for item in sorted(by_city.scan()["Items"], key=lambda item: (item["city"], item["id"])):
            projected.setdefault(item["city"], []).append(item["name"])
        if projected == EXPECTED:
            break
    for city, names in projected.items():
        print(f"{city}: {', '.join(names)}")


if __name__ == "__main__":
    main()
