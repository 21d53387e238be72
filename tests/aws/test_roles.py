"""Acting as the roles of functions: one call of STS, renewed in the background."""

import asyncio
import datetime as dt
import gc
import weakref
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

import pytest
from scripted_server import Conversation, RunFixture, always, serve
from wire_builders import make_wire

from penstock.aws.errors import CredentialsError, RoleRefusedError, RoleUnavailableError
from penstock.aws.exchange import ExchangeRules
from penstock.aws.roles import ExecutionRoles
from penstock.model.arn import Scope
from penstock.model.function import Function, InvokeEndpoint

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

ROLE = "arn:aws:iam::123456789012:role/charge"
OTHER_ROLE = "arn:aws:iam::123456789012:role/bill"
MINUTE_MS = 60_000
FUNCTION = Function(
    scope=Scope("123456789012", "eu-west-1"),
    name="charge",
    hosting=InvokeEndpoint(url="http://127.0.0.1:1"),
    role=ROLE,
)
ANSWER = """
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>token</SessionToken><Expiration>{expiration}</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>
"""
DENIED = b"""
<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error>
</ErrorResponse>
"""


class Told:
    """Keeps ``RoleLog``."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def warning(self, event: str, **fields: object) -> None:
        """Keep an event and the role it is of."""
        self.events.append((event, fields["role"]))


class Rig:
    """Roles, and an STS that gives a new key for an hour each time; any server's answer else."""

    def __init__(self) -> None:
        self.wire = make_wire()
        self.clock = self.wire.clock
        self.function: Function | None = FUNCTION
        self.log = Told()
        self.roles = ExecutionRoles(self.wire, lambda _: self.function, self.log)
        self.asked: list[dict[str, list[str]]] = []
        self.signed_with: list[str] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_asked = asyncio.Event()
        self.refusal: tuple[bytes, str] | None = None

    def advance_ms(self, delay_ms: int) -> None:
        """Let time pass."""
        self.clock.advance_ms(delay_ms)  # type: ignore[attr-defined]  # the tests' own clock

    async def wait_until_told(self) -> None:
        """Wait for the call that is under way."""
        running = [task for task in asyncio.all_tasks() if task.get_name().startswith("role ")]
        await asyncio.wait(running)

    async def key(self) -> str:
        """Give the access key to sign with now."""
        now_ms = self.clock.now().wall_ms
        return (await self.roles.find(FUNCTION.arn, now_ms)).access_key

    async def assume(self, function_name: str) -> None:
        """Act as a function of that name would."""
        await self.roles.assume(ROLE, function_name, "eu-west-1", self.clock.now().wall_ms)

    async def converse(self, conversation: Conversation) -> None:
        """Answer as STS; requests of others are answered with nothing."""
        while True:
            request = await conversation.read_request()
            self.signed_with.append(
                request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
            )
            self.asked.append(parse_qs(request.body.decode()))
            self.is_asked.set()
            await self.is_open.wait()
            if self.refusal is not None:
                body, status = self.refusal
                await conversation.answer(body, status=status)
                continue
            end = dt.datetime.fromtimestamp(self.clock.now().wall_ms / 1000 + 3600, dt.UTC)
            text = ANSWER.format(key=f"KEY{len(self.asked)}", expiration=f"{end:%FT%TZ}")
            await conversation.answer(text.encode(), head="Content-Type: text/xml\r\n")


RunRig = Callable[[Callable[[Rig], Awaitable[None]]], None]


@pytest.fixture
def run_rig(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> RunRig:
    """Run a scenario against the rig's STS."""

    def run_it(scenario: Callable[[Rig], Awaitable[None]]) -> None:
        async def whole() -> None:
            rig = Rig()
            async with serve(rig.converse) as origin:
                monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
                try:
                    await scenario(rig)
                finally:
                    rig.roles.close()
                    await rig.wire.close()

        run(whole())

    return run_it


def test_role_is_assumed_as_lambda_does_under_the_function_s_name(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        assert await rig.key() == "KEY1"

        [asked] = rig.asked
        assert (asked["Action"], asked["RoleArn"]) == (["AssumeRole"], [ROLE])
        assert (asked["RoleSessionName"], asked["DurationSeconds"]) == (["charge"], ["3600"])
        assert rig.signed_with == ["AKIDEXAMPLE"]

    run_rig(scenario)


def test_name_of_one_character_is_long_enough_for_sts(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        rig.function = Function(scope=FUNCTION.scope, name="f", hosting=FUNCTION.hosting, role=ROLE)
        await rig.key()

        assert rig.asked[0]["RoleSessionName"] == ["f_"]

    run_rig(scenario)


def test_requests_for_a_function_are_signed_with_its_role_s_credentials(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        wire = rig.roles.wire_for(FUNCTION.arn)
        service = await wire.open("sqs", "eu-west-1")

        await service.send(service.open_form("POST", "/", ()), b"", ExchangeRules())

        assert rig.signed_with == ["AKIDEXAMPLE", "KEY1"]

    run_rig(scenario)


def test_concurrent_callers_share_one_call(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        keys = await asyncio.gather(*(rig.key() for _ in range(20)))

        assert set(keys) == {"KEY1"}
        assert len(rig.asked) == 1

    run_rig(scenario)


def test_caller_that_is_cancelled_leaves_the_call_to_the_others(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        rig.is_open.clear()
        first, second = (asyncio.create_task(rig.key()) for _ in range(2))
        await rig.is_asked.wait()

        first.cancel()
        rig.is_open.set()

        assert await second == "KEY1"
        assert len(rig.asked) == 1

    run_rig(scenario)


def test_old_credentials_are_used_while_new_ones_are_asked_for(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.key()
        rig.is_asked.clear()
        rig.is_open.clear()
        rig.advance_ms(50 * MINUTE_MS)

        during = await rig.key()
        await rig.is_asked.wait()
        rig.is_open.set()
        await rig.wait_until_told()

        assert (during, await rig.key()) == ("KEY1", "KEY2")

    run_rig(scenario)


def test_credentials_that_ended_are_waited_for(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.key()
        rig.advance_ms(60 * MINUTE_MS)

        assert await rig.key() == "KEY2"

    run_rig(scenario)


def test_renewal_that_fails_leaves_the_old_ones_in_use_and_is_told(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.key()
        rig.refusal = DENIED, "403 Forbidden"
        rig.advance_ms(50 * MINUTE_MS)
        await rig.key()
        await rig.wait_until_told()

        assert await rig.key() == "KEY1"
        assert rig.log.events == [("role not assumed", ROLE)]

    run_rig(scenario)


def test_role_that_may_not_be_assumed_is_refused(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        rig.refusal = DENIED, "403 Forbidden"

        with pytest.raises(RoleRefusedError, match=f"{ROLE} cannot be assumed: not authorized"):
            await rig.key()

    run_rig(scenario)


def test_refused_role_is_asked_for_again_after_a_while_only(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        rig.refusal = DENIED, "403 Forbidden"
        for _ in range(3):
            with pytest.raises(RoleRefusedError):
                await rig.key()
        asked_count = len(rig.asked)
        rig.refusal = None
        rig.advance_ms(1000)

        assert await rig.key() == "KEY2"
        assert asked_count == 1

    run_rig(scenario)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", "503 Service Unavailable", id="5xx"),
        pytest.param(b"<html/>", "200 OK", id="other-server"),
        pytest.param(
            DENIED.replace(b"AccessDenied", b"Throttling"), "400 Bad Request", id="throttle"
        ),
    ],
)
def test_sts_that_gives_nothing_is_unavailable(run_rig: RunRig, body: bytes, status: str) -> None:
    async def scenario(rig: Rig) -> None:
        rig.refusal = body, status

        with pytest.raises(RoleUnavailableError, match=f"{ROLE} cannot be assumed: "):
            await rig.key()

    run_rig(scenario)


def test_credentials_that_have_ended_already_are_not_taken(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        text = ANSWER.format(key="OLD", expiration="2020-01-01T00:00:00Z")
        rig.refusal = text.encode(), "200 OK"

        with pytest.raises(RoleUnavailableError, match="is the clock right"):
            await rig.key()

    run_rig(scenario)


def test_changed_role_is_used_at_once(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.key()
        rig.function = Function(
            scope=FUNCTION.scope, name="charge", hosting=FUNCTION.hosting, role=OTHER_ROLE
        )

        assert await rig.key() == "KEY2"
        assert rig.asked[1]["RoleArn"] == [OTHER_ROLE]

    run_rig(scenario)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        pytest.param(None, f"{FUNCTION.arn} is not there", id="no-function"),
        pytest.param(
            Function(scope=FUNCTION.scope, name="charge", hosting=FUNCTION.hosting),
            "function charge has no Role to act as: give it one",
            id="no-role",
        ),
    ],
)
def test_function_without_a_role_is_refused(
    run_rig: RunRig, function: Function | None, text: str
) -> None:
    async def scenario(rig: Rig) -> None:
        rig.function = function

        with pytest.raises(CredentialsError, match=text):
            await rig.key()
        assert rig.asked == []

    run_rig(scenario)


def test_service_without_credentials_of_its_own_says_what_to_set(
    run_rig: RunRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    async def scenario(rig: Rig) -> None:
        with pytest.raises(CredentialsError, match="AWS_ACCESS_KEY_ID") as raised:
            await rig.key()
        assert not isinstance(raised.value, RoleRefusedError)

    run_rig(scenario)


def test_server_that_is_away_is_unavailable(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with serve(always(b"")) as origin:
            monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
        rig = Rig()
        with pytest.raises(RoleUnavailableError):
            await rig.key()
        await rig.wire.close()

    run(scenario())


def test_client_that_nobody_holds_is_forgotten(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        known = weakref.ref(rig.roles.wire_for(FUNCTION.arn))

        gc.collect()

        assert known() is None

    run_rig(scenario)


def test_sdk_client_outlives_the_wire_client_that_opened_it_until_the_close(
    run_rig: RunRig,
) -> None:
    async def scenario(rig: Rig) -> None:
        topics = await rig.roles.wire_for(FUNCTION.arn).sdk.open("sns", "eu-west-1")
        gc.collect()

        await rig.wire.close()

        with pytest.raises(RuntimeError, match="shutdown"):
            await topics.call("ListTopics", {})

    run_rig(scenario)


def test_role_that_nobody_wants_any_more_is_forgotten(run_rig: RunRig) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.assume("left")
        await rig.assume("used")
        rig.advance_ms(40 * MINUTE_MS)
        await rig.assume("renewed")
        rig.advance_ms(25 * MINUTE_MS)

        await rig.assume("new")

        assert {key.name for key in rig.roles._sessions} == {"renewed", "new"}  # noqa: SLF001

    run_rig(scenario)
