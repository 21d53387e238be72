"""The options of a queue mapping: what tags mean, and how each mistake is told."""

import pytest

from penstock.core.queue_options import is_option, read_queue_options
from penstock.model.errors import ConfigurationError
from penstock.model.queue_options import QueueOptions, RetryBackoff

FAILURES = "arn:aws:sqs:us-east-1:000000000000:failures"
EXPONENTIAL = {"penstock:retry-backoff": "exponential"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({}, QueueOptions(), id="none"),
        pytest.param({"team": "a", "penstocks:x": ""}, QueueOptions(), id="other tags"),
        pytest.param({"concurrency": "1"}, QueueOptions(concurrency=1), id="serial"),
        pytest.param({"fifo-one-group": "true"}, QueueOptions(fifo_one_group=True), id="one group"),
        pytest.param({"fifo-strict": "true"}, QueueOptions(fifo_strict=True), id="strict"),
        pytest.param({"fifo-one-group": "false", "fifo-strict": "false"}, QueueOptions(), id="off"),
        pytest.param({"visibility-heartbeat": "true"}, QueueOptions(heartbeat_s=30), id="beats"),
        pytest.param({"visibility-heartbeat": "false"}, QueueOptions(), id="no heartbeat"),
        pytest.param({"visibility-heartbeat": "10"}, QueueOptions(heartbeat_s=10), id="shortest"),
        pytest.param(
            {"visibility-heartbeat": "3600"}, QueueOptions(heartbeat_s=3600), id="longest"
        ),
        pytest.param(
            {"retry-backoff": "exponential"},
            QueueOptions(backoff=RetryBackoff(1, 900)),
            id="backoff",
        ),
        pytest.param(
            {
                "retry-backoff": "exponential",
                "retry-backoff-base": "60",
                "retry-backoff-maximum": "43200",
            },
            QueueOptions(backoff=RetryBackoff(60, 43_200)),
            id="backoff with limits",
        ),
        pytest.param(
            {
                "retry-backoff": "exponential",
                "retry-backoff-base": "5",
                "retry-backoff-maximum": "5",
            },
            QueueOptions(backoff=RetryBackoff(5, 5)),
            id="constant backoff",
        ),
        pytest.param(
            {"on-failure": FAILURES}, QueueOptions(on_failure_arn=FAILURES), id="failures"
        ),
        pytest.param(
            {"on-failure": FAILURES, "maximum-receive-count": "1000"},
            QueueOptions(on_failure_arn=FAILURES, max_receive_count=1000),
            id="receive count",
        ),
    ],
)
def test_queue_options_are_read(tags: dict[str, str], expected: QueueOptions) -> None:
    named = {
        key if key in ("team", "penstocks:x") else f"penstock:{key}": tags[key] for key in tags
    }

    assert read_queue_options(named, is_fifo=True) == expected


NO_NUMBERS = ["", "-1", "1.5", "1_0", " 10", "\u0661\u0660", "10s", "9" * 200]


@pytest.mark.parametrize(
    ("key", "values", "allowed"),
    [
        ("concurrency", ["0", "2", "01", "true", ""], "1; for 2 to 1000 use ScalingConfig"),
        ("fifo-one-group", ["True", "1", ""], "true or false"),
        ("fifo-strict", ["yes"], "true or false"),
        (
            "visibility-heartbeat",
            ["9", "3601", "True", *NO_NUMBERS],
            "true (30 seconds), false, or seconds from 10 to 3600",
        ),
        ("retry-backoff", ["true", "linear", ""], "exponential"),
        ("retry-backoff-base", ["0", "43201", *NO_NUMBERS], "seconds from 1 to 43200"),
        ("retry-backoff-maximum", ["0", "43201", *NO_NUMBERS], "seconds from 1 to 43200"),
        ("maximum-receive-count", ["0", "1001", *NO_NUMBERS], "from 1 to 1000"),
    ],
)
def test_queue_option_names_tag_value_and_what_is_allowed(
    key: str, values: list[str], allowed: str
) -> None:
    for value in values:
        tags = EXPONENTIAL | {"penstock:on-failure": FAILURES} | {f"penstock:{key}": value}

        with pytest.raises(ConfigurationError) as caught:
            read_queue_options(tags, is_fifo=True)

        expected = f"The tag penstock:{key} cannot be {value!r}; it must be {allowed}"
        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        pytest.param(
            {"penstock:fifo-strct": "true"},
            "Unknown option 'penstock:fifo-strct'; did you mean fifo-strict? The penstock: options"
            " are concurrency, fifo-one-group, ",
            id="unknown",
        ),
        pytest.param(
            {"penstock:x": ""}, "Unknown option 'penstock:x'; the penstock: options are", id="far"
        ),
        pytest.param(
            {"Penstock:Concurrency": "1"},
            "Unknown option 'Penstock:Concurrency'; did you mean concurrency?",
            id="letter case",
        ),
        pytest.param(
            {"penstock:retry-backoff-base": "2"},
            "The tag penstock:retry-backoff-base belongs to penstock:retry-backoff, which is not",
            id="base alone",
        ),
        pytest.param(
            {"penstock:retry-backoff-maximum": "2"},
            "The tag penstock:retry-backoff-maximum belongs to penstock:retry-backoff, which is",
            id="maximum alone",
        ),
        pytest.param(
            EXPONENTIAL | {"penstock:retry-backoff-base": "901"},
            "The tag penstock:retry-backoff-base cannot be '901'; it must be at most"
            " penstock:retry-backoff-maximum, which is 900",
            id="base above maximum",
        ),
        pytest.param(
            {"penstock:maximum-receive-count": "3"},
            "The tag penstock:maximum-receive-count belongs to penstock:on-failure, which is not",
            id="receive count alone",
        ),
        pytest.param(
            {"penstock:on-failure": f"{FAILURES}.fifo"},
            f"The tag penstock:on-failure: The destination '{FAILURES}.fifo' is FIFO",
            id="fifo destination",
        ),
    ],
)
def test_queue_options_that_do_not_fit_are_refused(tags: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_queue_options(tags, is_fifo=True)

    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("key", ["penstock:fifo-one-group", "penstock:fifo-strict"])
@pytest.mark.parametrize("value", ["true", "false"])
def test_queue_options_of_fifo_are_refused_on_a_standard_queue(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"The tag {key} is of FIFO queues"):
        read_queue_options({key: value}, is_fifo=False)


def test_option_is_known_by_its_prefix_in_any_letter_case() -> None:
    assert [is_option(key) for key in ("penstock:x", "PENSTOCK:", "penstock", "team")] == [
        True,
        True,
        False,
        False,
    ]
