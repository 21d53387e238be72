"""A moto server that refuses what no policy allows: users and roles for acceptance tests."""

import json
import urllib.request
from typing import Any

from serve_harness import ACCOUNT, Moto

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
    ],
}


def role_arn(name: str) -> str:
    """Give a role's ARN."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def policy(*statements: tuple[str, str]) -> str:
    """Write a policy that allows actions on resources."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": action, "Resource": resource}
                for action, resource in statements
            ],
        }
    )


def make_role(iam: Any, name: str, *allowed: tuple[str, str]) -> None:
    """Make a role that may do these actions on these resources, if any."""
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    if allowed:
        iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=policy(*allowed))


def make_service_user(iam: Any, *roles: str) -> dict[str, str]:
    """Make a user that may assume these roles and nothing else; give its keys as variables."""
    iam.create_user(UserName="penstock")
    iam.put_user_policy(
        UserName="penstock",
        PolicyName="allowed",
        PolicyDocument=policy(*(("sts:AssumeRole", role_arn(role)) for role in roles)),
    )
    key = iam.create_access_key(UserName="penstock")["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


def enforce_policies(moto: Moto, *, enforced: bool = True) -> None:
    """Refuse from now on what no policy allows, or allow everything again."""
    url, free_requests = f"{moto.url}/moto-api/reset-auth", b"0" if enforced else b"inf"
    headers = {"Content-Type": "text/plain"}  # else moto takes the number for a form
    request = urllib.request.Request(url, free_requests, headers, method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own URL
        pass
